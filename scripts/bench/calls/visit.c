/*
 * Linked to the front whose instructions are counted, for what valgrind cannot do; it is as many instructions.
 *
 * It follows no clone(2) that shares memory and descriptors: what such a child does in another mount namespace, the
 * process does itself, and comes back. It knows no open_tree(2) and no move_mount(2): something else is mounted.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

#define VISITOR 0x3fffffff

_Noreturn void __real__exit(int status);
pid_t __real_waitpid(pid_t pid, int *status, int options);
long __real_syscall(long number, ...);

static jmp_buf back;
static int is_visiting;

int __wrap_clone(int (*act)(void *), void *stack, int flags, void *argument) {
  (void)stack, (void)flags;
  int home = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
  is_visiting = 1;
  if (setjmp(back) == 0) (void)act(argument);
  is_visiting = 0;
  (void)alarm(0);
  int failed = setns(home, CLONE_NEWNS);
  (void)close(home);
  return failed ? -1 : VISITOR;
}

_Noreturn void __wrap__exit(int status) {
  if (is_visiting) longjmp(back, 1);
  __real__exit(status);
}

pid_t __wrap_waitpid(pid_t pid, int *status, int options) {
  if (pid != VISITOR) return __real_waitpid(pid, status, options);
  *status = 0;
  return pid;
}

long __wrap_syscall(long number, ...) {
  long words[6];
  char target[64];
  va_list list;
  va_start(list, number);
  for (int i = 0; i < 6; i++) words[i] = va_arg(list, long);
  va_end(list);
  switch (number) {
    case SYS_open_tree: return openat((int)words[0], (const char *)words[1], O_PATH | O_CLOEXEC);
    case SYS_move_mount:
      (void)snprintf(target, sizeof target, "/proc/self/fd/%d", (int)words[2]);
      return mount("tmpfs", target, "tmpfs", 0, NULL);
    default: return __real_syscall(number, words[0], words[1], words[2], words[3], words[4], words[5]);
  }
}
