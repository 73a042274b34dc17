/* The guard of glusterfs, and a little of rpc.statd's. What it is for, and against what, is told in docs/security.md. */
#ifndef GLUSTERFS_GUARD_H
#define GLUSTERFS_GUARD_H

/* Before the first argument: glusterfs, which has no such option, does not start without the guard. */
#define MARK "--guarded="

/* In the rootfs, a symlink to the real glusterfs; src/guard/place.ts makes it. */
#define GUARDED_PROGRAM "/.mounter-glusterfs"

/* Of interpose.c. */
void find_real_functions(void);

#endif
