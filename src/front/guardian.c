#define _GNU_SOURCE
#include "guardian.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "apart.h"

/* What SIGKILL does not end within this waits in the kernel, for a server perhaps: nobody can end it. */
#define PATIENCE_MS 5000

/* From the field behind the name, which may have blanks and brackets in it. @see proc_pid_stat(5) */
static pid_t parent_of(const char *stat) {
  static const char state[] = ") S ";
  const char *bracket = strrchr(stat, ')');
  if (bracket == NULL || strlen(bracket) < sizeof state) return -1;
  return (pid_t)strtol(bracket + sizeof state - 1, NULL, 10);
}

/* Reads nothing that waits for the process's memory, which others can hold. */
static int is_our_child(int proc, const char *pid) {
  char name[64], text[512];
  (void)snprintf(name, sizeof name, "%.20s/stat", pid);
  int file = openat(proc, name, O_RDONLY | O_CLOEXEC);
  ssize_t length = file < 0 ? -1 : read(file, text, sizeof text - 1);
  if (file >= 0) (void)close(file);
  if (length <= 0) return 0;
  text[length] = '\0';
  return parent_of(text) == getpid();
}

/* Fills `pids` with 0 behind the last. */
static void list_children(pid_t *pids, int room) {
  DIR *proc = opendir("/proc");
  const struct dirent *entry;
  int count = 0;
  while (proc != NULL && count < room && (entry = readdir(proc)) != NULL)
    if (isdigit((unsigned char)entry->d_name[0]) && is_our_child(dirfd(proc), entry->d_name))
      pids[count++] = atoi(entry->d_name);
  if (proc != NULL) (void)closedir(proc);
  while (count < room) pids[count++] = 0;
}

static void kill_children(void) {
  pid_t pids[64];
  list_children(pids, 64);
  for (int i = 0; i < 64 && pids[i] > 0; i++) (void)kill(pids[i], SIGKILL);
}

static long now_ms(void) {
  struct timespec now;
  (void)clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000L + now.tv_nsec / 1000000;
}

/*
 * Ends what came of the helper: what a killed process leaves becomes a child of ours, until there is none. To look for
 * them takes the longer the more processes there are.
 */
void end_descendants(void) {
  long end_ms = now_ms() + PATIENCE_MS;
  for (long pause_ms = 2; now_ms() < end_ms; pause_ms = pause_ms < 32 ? pause_ms * 2 : pause_ms) {
    kill_children();
    pid_t ended;
    while ((ended = waitpid(-1, NULL, WNOHANG)) > 0) continue;
    if (ended < 0 && errno == ECHILD) return;
    const struct timespec pause = {.tv_nsec = pause_ms * 1000000};
    (void)nanosleep(&pause, NULL);
  }
}

static void end_all(const struct guarded_mount *mount) {
  end_descendants();
  if (mount->mount_namespace >= 0) return; /* It goes with the last process in it, and our descriptor. */
  /* On the very directory that was opened: its path may lead to another mount by now. */
  if (fchdir(mount->target) != 0) return;
  for (int layer = 0; layer < 8; layer++)
    if (umount2(".", MNT_DETACH | UMOUNT_NOFOLLOW) != 0) break;
}

static int attach(const struct guarded_mount *mount) {
  int tree = take_mount(mount->mount_namespace, mount->place);
  if (tree < 0) return tree;
  int failed = attach_tree(tree, mount->target);
  (void)close(tree);
  return failed;
}

/* Of send(2), recv(2) or waitpid(2), one after the other: what fails once need not fail again. */
#define MAXIMUM_FAILURES 100

/* What can't be told is as if we were not there: the end of the connection then says so. */
static void report(int connection, int kind, int first, int second, int third) {
  const struct guard_report message = {kind, {first, second, third}};
  for (int failures = 0; failures < MAXIMUM_FAILURES; failures++)
    if (send(connection, &message, sizeof message, MSG_NOSIGNAL) >= 0 || errno == EPIPE) return;
  (void)shutdown(connection, SHUT_RDWR);
}

/* Whatever has ended; the helper's own end is told. */
static void reap(int connection, pid_t *helper) {
  int status, failures = 0;
  pid_t ended;
  while ((ended = waitpid(-1, &status, WNOHANG)) != 0) {
    if (ended < 0 && (*helper < 0 || failures++ == MAXIMUM_FAILURES)) break;
    if (ended < 0 || ended != *helper) continue;
    *helper = -1;
    report(connection, GUARD_ENDED, status, 0, 0);
  }
}

/* A daemon, and with it perhaps one that waits to unmount for it. */
static void leave_daemons(int connection) {
  pid_t pids[2];
  list_children(pids, 2);
  report(connection, GUARD_LEFT, 0, pids[0], pids[1]);
  _exit(0);
}

/* Returns where the work goes on. */
static void obey(char order, int connection, pid_t helper, const struct guarded_mount *mount) {
  int failed = 0;
  switch (order) {
    case GUARD_TERMINATE:
      if (helper > 0) (void)kill(-helper, SIGTERM);
      return;
    case GUARD_ATTACH:
      failed = attach(mount);
      if (failed == 0) leave_daemons(connection);
      report(connection, GUARD_LEFT, failed, 0, 0);
      return;
    case GUARD_RELEASE:
      leave_daemons(connection);
      return;
    default:
      end_all(mount);
      _exit(0);
  }
}

static void guard(const struct child *child, const struct guarded_mount *mount, int connection) {
  sigset_t set;
  (void)prctl(PR_SET_NAME, "mounter-guard");
  (void)prctl(PR_SET_CHILD_SUBREAPER, 1);
  /* A signal to our caller's group is not for us. */
  (void)setsid();
  (void)sigemptyset(&set);
  (void)sigaddset(&set, SIGCHLD);
  (void)sigprocmask(SIG_BLOCK, &set, NULL);
  int children = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
  if (children < 0) {
    report(connection, GUARD_STARTED, -1, STEP_FORK, errno);
    _exit(0);
  }
  const struct spawned spawned = spawn_child(child);
  report(connection, GUARD_STARTED, spawned.pid, spawned.step, spawned.error);
  if (spawned.pid < 0) _exit(0);
  pid_t helper = spawned.pid;
  for (int failures = 0;;) {
    struct pollfd polled[] = {{.fd = connection, .events = POLLIN}, {.fd = children, .events = POLLIN}};
    struct signalfd_siginfo information;
    if (poll(polled, 2, -1) < 0 && errno != EINTR) {
      if (++failures == MAXIMUM_FAILURES) obey(GUARD_END, connection, helper, mount);
      continue;
    }
    while (read(children, &information, sizeof information) > 0) continue;
    reap(connection, &helper);
    if (polled[0].revents == 0) continue;
    char order;
    ssize_t length = recv(connection, &order, 1, MSG_DONTWAIT);
    if (length == 1) failures = 0, obey(order, connection, helper, mount);
    else if (length == 0 || errno == ECONNRESET || ++failures == MAXIMUM_FAILURES)
      obey(GUARD_END, connection, helper, mount);
  }
}

struct guarded spawn_guarded(const struct child *child, const struct guarded_mount *mount) {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) return (struct guarded){-1, -1, errno};
  /* Whoever ends the guardian, its children are ours then. */
  (void)prctl(PR_SET_CHILD_SUBREAPER, 1);
  pid_t pid = fork();
  if (pid == 0) {
    (void)close(ends[0]);
    guard(child, mount, ends[1]);
  }
  int cause = errno;
  (void)close(ends[1]);
  if (pid > 0) return (struct guarded){pid, ends[0], 0};
  (void)close(ends[0]);
  return (struct guarded){-1, -1, cause};
}
