/*
 * Starting a program. vfork(2) and not fork(2): the child borrows our memory until it executes, so that nothing
 * is copied, and what it could not do stands in our memory when it has ended. @see vfork(2) "Linux notes"
 */
#define _GNU_SOURCE
#include "spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "close-from.h"

/* The soft limit that the kernel and systemd give: code that uses select(2) must see no descriptor beyond it. */
#define USUAL_FILES 1024

static void restore_signals(void) {
  /* The kernel's struct sigaction, with all of it 0: SIG_DFL. libc would refuse the signals that it keeps for itself. */
  static const char by_default[64];
  sigset_t none;
  /* It fails for SIGKILL and SIGSTOP: those need none of it. */
  for (int number = 1; number < NSIG; number++) (void)syscall(SYS_rt_sigaction, number, by_default, NULL, NSIG / 8);
  (void)sigemptyset(&none);
  (void)sigprocmask(SIG_SETMASK, &none, NULL);
}

/* What a daemon raises its own limit to; one that is not root can't raise the hard one. */
#define MANY_FILES (1024 * 1024)

/* A core file may hold a password. */
static int limit_resources(void) {
  const struct rlimit no_core = {0, 0};
  struct rlimit files;
  if (setrlimit(RLIMIT_CORE, &no_core) != 0 || getrlimit(RLIMIT_NOFILE, &files) != 0) return -1;
  files.rlim_cur = files.rlim_max < USUAL_FILES ? files.rlim_max : USUAL_FILES;
  const struct rlimit many = {files.rlim_cur, MANY_FILES};
  if (files.rlim_max < MANY_FILES && setrlimit(RLIMIT_NOFILE, &many) == 0) return 0;
  return setrlimit(RLIMIT_NOFILE, &files);
}

/* The signal is sent when the parent ends; one that has ended before is not our parent any more. */
static int end_with(pid_t parent) {
  if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) return -1;
  if (getppid() == parent) return 0;
  errno = ESRCH;
  return -1;
}

static int set_surroundings(const struct child *child, pid_t parent) {
  if (end_with(parent) != 0 || setsid() < 0) return -1;
  int input = child->input >= 0 ? child->input : open("/dev/null", O_RDONLY);
  if (input < 0 || dup2(input, 0) < 0) return -1;
  if (child->output >= 0 && (dup2(child->output, 1) < 0 || dup2(child->output, 2) < 0)) return -1;
  (void)umask(022);
  return limit_resources();
}

static int drop_from_bounding_set(uint64_t kept) {
  for (int capability = 0; capability < 64; capability++) {
    if ((kept >> capability & 1) != 0 || prctl(PR_CAPBSET_DROP, capability) == 0) continue;
    int cause = errno, is_there = prctl(PR_CAPBSET_READ, capability);
    /* The kernel knows no more of them. */
    if (is_there < 0) break;
    /* What a caller's bounding set lacks needs no CAP_SETPCAP to be dropped. */
    if (is_there == 1) return errno = cause, -1;
  }
  return 0;
}

/* Also those of a user who is not root, for whom execve(2) keeps none but ambient ones. */
static int raise_ambient(uint64_t kept) {
  for (int capability = 0; capability < 64; capability++)
    if ((kept >> capability & 1) != 0 && prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0) != 0) return -1;
  return 0;
}

/* By the kernel's own calls: libc's change all threads of a process, which takes more calls. */
static int become(uid_t user, gid_t group) {
  if (syscall(SYS_setgroups, 0, NULL) != 0 || syscall(SYS_setresgid, group, group, group) != 0) return -1;
  if (user == 0) return 0;
  if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) != 0) return -1;
  return syscall(SYS_setresuid, user, user, user) != 0 ? -1 : 0;
}

/* A program of root's gets at execve(2) what the bounding set has. */
static int keep_privileges(const struct child *child, pid_t parent) {
  uint64_t kept = child->capabilities;
  if (kept == ALL_CAPABILITIES) return 0;
  struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
  struct __user_cap_data_struct sets[2];
  if (drop_from_bounding_set(kept) != 0 || become(child->user, child->group) != 0) return -1;
  if (syscall(SYS_capget, &header, sets) != 0) return -1;
  for (int half = 0; half < 2; half++) {
    sets[half].permitted &= (uint32_t)(kept >> (32 * half));
    sets[half].effective = sets[half].permitted;
    sets[half].inheritable = child->user != 0 ? sets[half].permitted : 0;
  }
  if (syscall(SYS_capset, &header, sets) != 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return -1;
  if (child->user != 0 && raise_ambient(kept) != 0) return -1;
  /* The change of user or group has taken it back. */
  return end_with(parent);
}

static int enter(const struct child *child, pid_t parent) {
  /* Where /proc is: a namespace that was made apart has none. */
  if (close_from_at_execution(3) != 0) return -1;
  if (child->mount_namespace >= 0 && setns(child->mount_namespace, CLONE_NEWNS) != 0) return -1;
  if (child->notice >= 0 && child->notice != 3 && dup2(child->notice, 3) < 0) return -1;
  if (child->notice == 3 && fcntl(3, F_SETFD, 0) != 0) return -1;
  if (child->root[0] != '\0' && chroot(child->root) != 0) return -1;
  if (chdir("/") != 0) return -1;
  return keep_privileges(child, parent);
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
static void become_program(const struct child *child, pid_t parent, volatile struct spawned *failure) {
  failure->step = STEP_SURROUNDINGS;
  restore_signals();
  if (set_surroundings(child, parent) == 0) {
    failure->step = STEP_ENTER;
    if (enter(child, parent) == 0) {
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
  pid_t parent = getpid(), pid = vfork();
  if (pid == 0) become_program(child, parent, &spawned);
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
