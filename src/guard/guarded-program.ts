/**
 * In a rootfs whose glusterfs is guarded, the symlink to the real one: guard.h has the same name. The guard starts
 * what it leads to, and a mount takes it for the sign that the guard is there.
 */
export const guardedProgram = '/.mounter-glusterfs';
