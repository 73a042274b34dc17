/*
 * Starting a program. vfork(2) and not fork(2): the child borrows our memory until it executes, so that nothing
 * is copied, and what it could not do stands in our memory when it has ended. @see vfork(2) "Linux notes"
 */
#define _GNU_SOURCE
#include "spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* The soft limit that the kernel and systemd give: code that uses select(2) must see no descriptor beyond it. */
#define USUAL_FILES 1024

static void restore_signals(void) {
  const struct sigaction by_default = {.sa_handler = SIG_DFL};
  sigset_t none;
  /* It fails for SIGKILL, SIGSTOP and the two that libc keeps: those need none of it. */
  for (int number = 1; number <= SIGRTMAX; number++) (void)sigaction(number, &by_default, NULL);
  (void)sigemptyset(&none);
  (void)sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Lower limits are no privilege: both always succeed. A core file may hold a password. */
static int limit_resources(void) {
  const struct rlimit no_core = {0, 0};
  struct rlimit files;
  if (setrlimit(RLIMIT_CORE, &no_core) != 0 || getrlimit(RLIMIT_NOFILE, &files) != 0) return -1;
  files.rlim_cur = files.rlim_max < USUAL_FILES ? files.rlim_max : USUAL_FILES;
  return setrlimit(RLIMIT_NOFILE, &files);
}

static int set_surroundings(const struct child *child) {
  if (setsid() < 0) return -1;
  int empty = open("/dev/null", O_RDONLY);
  if (empty < 0 || dup2(empty, 0) < 0) return -1;
  if (child->output >= 0 && (dup2(child->output, 1) < 0 || dup2(child->output, 2) < 0)) return -1;
  (void)umask(022);
  return limit_resources();
}

static int enter(const struct child *child) {
  if (child->mount_namespace >= 0 && setns(child->mount_namespace, CLONE_NEWNS) != 0) return -1;
  /* While /proc is the host's: without close_range(2), before Linux 5.9, it reads the list there. */
  closefrom(3);
  if (child->root[0] != '\0' && chroot(child->root) != 0) return -1;
  return chdir("/");
}

/* execvpe(3) may allocate memory and call sh(1); neither here. Returns the errno. */
static int execute(const struct child *child) {
  const char *program = child->argv[0], *path = "";
  if (strchr(program, '/') != NULL) {
    (void)execve(program, child->argv, child->environment);
    return errno;
  }
  for (char **variable = child->environment; *variable != NULL; variable++)
    if (strncmp(*variable, "PATH=", 5) == 0) path = *variable + 5;
  int error = ENOENT;
  while (*path != '\0') {
    char file[PATH_MAX];
    size_t length = strcspn(path, ":"), name = strlen(program);
    if (length + name + 2 <= sizeof file) {
      memcpy(file, path, length);
      file[length] = '/';
      memcpy(file + length + 1, program, name + 1);
      (void)execve(file, child->argv, child->environment);
      if (errno != ENOENT && errno != ENOTDIR) error = errno;
    }
    path += length + (path[length] == ':');
  }
  return error;
}

/* In the child: does not return. `failure` is in the memory of the parent, which waits. */
static void become(const struct child *child, volatile struct spawned *failure) {
  failure->step = STEP_SURROUNDINGS;
  restore_signals();
  if (set_surroundings(child) == 0) {
    failure->step = STEP_ENTER;
    if (enter(child) == 0) {
      failure->step = STEP_EXECUTE;
      failure->error = execute(child);
      _exit(127);
    }
  }
  failure->error = errno;
  _exit(127);
}

struct spawned spawn_child(const struct child *child) {
  volatile struct spawned spawned = {.pid = -1, .step = STEP_FORK, .error = 0};
  pid_t pid = vfork();
  if (pid == 0) become(child, &spawned);
  if (pid < 0) {
    spawned.error = errno;
  } else if (spawned.error == 0) {
    spawned.pid = pid;
    spawned.step = STEP_STARTED;
  } else {
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) continue;
  }
  return (struct spawned){spawned.pid, spawned.step, spawned.error};
}
