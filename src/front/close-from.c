#define _GNU_SOURCE
#include "close-from.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

/* @see close_range(2) */
enum when { NOW = 0, AT_EXECUTION = 4 };

/* What these entries of getdents64(2) name. Returns whether one of them has been closed. */
static int close_named(const char *entries, long length, int first, int list, enum when when) {
  int is_closed = 0;
  for (long at = 0; at < length;) {
    const struct dirent *entry = (const struct dirent *)(entries + at);
    int number = atoi(entry->d_name);
    at += entry->d_reclen;
    if (number < first || number == list) continue;
    if (when == NOW) is_closed |= close(number) == 0;
    else (void)fcntl(number, F_SETFD, FD_CLOEXEC);
  }
  return is_closed;
}

/* Again where something was closed: that may have moved what was not read yet. */
static int close_listed(int first, int list, enum when when) {
  char entries[1024] __attribute__((aligned(8)));
  int is_closed;
  do {
    long length;
    is_closed = 0;
    while ((length = syscall(SYS_getdents64, list, entries, sizeof entries)) > 0)
      is_closed |= close_named(entries, length, first, list, when);
    if (length < 0) return -1;
  } while (is_closed && lseek(list, 0, SEEK_SET) == 0);
  return 0;
}

static int close_all(int first, enum when when) {
  if (syscall(SYS_close_range, first, ~0U, when) == 0) return 0;
  int list = openat(AT_FDCWD, "/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (list < 0) return -1;
  int result = close_listed(first, list, when), cause = errno;
  (void)close(list);
  return errno = cause, result;
}

int close_from(int first) { return close_all(first, NOW); }

int close_from_at_execution(int first) { return close_all(first, AT_EXECUTION); }
