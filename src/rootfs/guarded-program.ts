/** The symlink to the real glusterfs, as guard.h has it: a mount takes it for the sign that the guard is there. */
export const guardedProgram = '/.mounter-glusterfs';
