#ifndef KERNEL_STATUS_H
#define KERNEL_STATUS_H

/*
 * statx(2) with all that the kernel tells: a libc's own struct statx may be older than STATX_MNT_ID. To be included
 * before <sys/stat.h>.
 */
#define statx kernel_statx
#define statx_timestamp kernel_statx_timestamp
#include <linux/stat.h>
#undef statx
#undef statx_timestamp
#include <sys/stat.h>

static inline int kernel_status(int directory, const char *path, unsigned flags, unsigned mask,
                                struct kernel_statx *status) {
  return statx(directory, path, (int)flags, mask, (void *)status);
}

#endif
