/*
 * measure ROUNDS TARGET [--in NAMESPACE] SEPARATOR COMMAND [ARGUMENT]... [[--in NAMESPACE] SEPARATOR COMMAND...]...
 *
 * A SEPARATOR is `--`; or `--cold`: then what the kernel has in memory of the command's own file is dropped
 * before each run, so that it has to be read from disk; or `--plain`: then the command mounts nothing, and may say by
 * its status what it likes. From `--in` on commands run in that mount namespace, and TARGET is the one there.
 *
 * Runs each COMMAND once in each round, in their order, and prints a line of JSON for each run: the time from
 * before fork(2) to after wait4(2), and what wait4(2) says the process and the descendants it waited for used:
 * CPU time, and the peak memory of the largest of them. Each COMMAND has to mount something on TARGET; it is
 * unmounted again outside the measured time.
 *
 * Static and small, because a process's peak memory begins with what its parent has at the fork.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MAXIMUM_COMMANDS = 16 };

enum kind { NONE, MOUNTS, COLD, PLAIN };

static enum kind separator(const char *word) {
  if (strcmp(word, "--") == 0) return MOUNTS;
  if (strcmp(word, "--cold") == 0) return COLD;
  return strcmp(word, "--plain") == 0 ? PLAIN : NONE;
}

/* As little as kubelet's unit gives, and nothing of the caller's that a JavaScript runtime would obey. */
static char *const environment[] = {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C",
                                    NULL};

static void fail(const char *subject, const char *cause) {
  fprintf(stderr, "measure: %s: %s\n", subject, cause);
  exit(2);
}

static dev_t device_of(const char *path) {
  struct stat status;
  if (stat(path, &status) != 0) fail(path, strerror(errno));
  return status.st_dev;
}

static long long nanoseconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static long long microseconds(struct timeval time) { return time.tv_sec * 1000000LL + time.tv_usec; }

static int open_namespace(const char *file) {
  int namespace = open(file, O_RDONLY | O_CLOEXEC);
  if (namespace < 0) fail(file, strerror(errno));
  return namespace;
}

static void enter(int namespace) {
  if (namespace >= 0 && setns(namespace, CLONE_NEWNS) != 0) fail("setns", strerror(errno));
}

/* Nothing of a file that is mapped or not written yet is dropped; neither is it here. */
static void drop_cache(const char *path) {
  int file = open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) fail(path, strerror(errno));
  fdatasync(file);
  posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED);
  close(file);
}

/* 126 and more: it could not be run. */
static int is_success(int status, enum kind kind) {
  return kind == PLAIN ? WIFEXITED(status) && WEXITSTATUS(status) < 126 : status == 0;
}

static void run(long round, int command, enum kind kind, char **argv) {
  struct rusage usage;
  int status;
  long long start = nanoseconds();
  pid_t pid = fork();
  if (pid < 0) fail("fork", strerror(errno));
  if (pid == 0) {
    /* stdout is for the figures. */
    if (kind == PLAIN) (void)(dup2(STDIN_FILENO, STDOUT_FILENO) < 0 || dup2(STDIN_FILENO, STDERR_FILENO) < 0);
    execve(argv[0], argv, environment);
    fprintf(stderr, "measure: %s: %s\n", argv[0], strerror(errno));
    _exit(127);
  }
  while (wait4(pid, &status, 0, &usage) < 0)
    if (errno != EINTR) fail("wait4", strerror(errno));
  long long end = nanoseconds();
  if (!is_success(status, kind)) fail(argv[0], "did not succeed");
  printf("{\"round\":%ld,\"command\":%d,\"wallNs\":%lld,\"userUs\":%lld,\"systemUs\":%lld,\"peakKib\":%ld}\n", round,
         command, end - start, microseconds(usage.ru_utime), microseconds(usage.ru_stime), usage.ru_maxrss);
}

int main(int argc, char **argv) {
  char **commands[MAXIMUM_COMMANDS];
  enum kind kinds[MAXIMUM_COMMANDS];
  int namespaces[MAXIMUM_COMMANDS], namespace = -1;
  dev_t before[MAXIMUM_COMMANDS];
  int count = 0;
  if (argc < 5 || (separator(argv[3]) == NONE && strcmp(argv[3], "--in") != 0)) fail("usage", "measure ROUNDS TARGET SEPARATOR COMMAND [ARGUMENT]...");
  /* Who started us is gone: so is the reason to go on. */
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  for (int i = 3; i < argc; i++) {
    if (strcmp(argv[i], "--in") == 0 && i + 1 < argc) {
      argv[i] = NULL;
      namespace = open_namespace(argv[++i]);
    }
    if (separator(argv[i]) == NONE) continue;
    if (count == MAXIMUM_COMMANDS || i + 1 == argc) fail("usage", "too many commands, or an empty one");
    kinds[count] = separator(argv[i]);
    namespaces[count] = namespace;
    argv[i] = NULL;
    commands[count++] = &argv[i + 1];
  }
  int null = open("/dev/null", O_RDWR);
  if (null < 0 || dup2(null, 0) < 0) fail("/dev/null", strerror(errno));
  for (int command = 0; command < count; command++) {
    enter(namespaces[command]);
    before[command] = device_of(argv[2]);
  }
  for (long round = 0; round < atol(argv[1]); round++) {
    for (int command = 0; command < count; command++) {
      enter(namespaces[command]);
      if (kinds[command] == COLD) drop_cache(commands[command][0]);
      run(round, command, kinds[command], commands[command]);
      if (kinds[command] == PLAIN) continue;
      if (device_of(argv[2]) == before[command]) fail(argv[2], "nothing was mounted");
      if (umount2(argv[2], 0) != 0) fail(argv[2], strerror(errno));
    }
  }
  return 0;
}
