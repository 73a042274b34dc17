#ifndef CLOSE_FROM_H
#define CLOSE_FROM_H

/*
 * All descriptors from `first` on: closed now, or by execve(2). Without memory of its own: a child of vfork(2) calls it.
 * Linux before 5.9, or before 5.11, tells by /proc alone which there are. Returns 0, or -1 with errno.
 */
int close_from(int first);
int close_from_at_execution(int first);

#endif
