/*
 * measure ROUNDS TARGET SEPARATOR COMMAND [ARGUMENT]... [SEPARATOR COMMAND [ARGUMENT]...]...
 *
 * A SEPARATOR is `--`, or `--cold`: then what the kernel has in memory of the command's own file is dropped
 * before each run, so that it has to be read from disk.
 *
 * Runs each COMMAND once in each round, in their order, and prints a line of JSON for each run: the time from
 * before fork(2) to after wait4(2), and what wait4(2) says the process and the descendants it waited for used:
 * CPU time, and the peak memory of the largest of them. Each COMMAND has to mount something on TARGET; it is
 * unmounted again outside the measured time.
 *
 * Static and small, because a process's peak memory begins with what its parent has at the fork.
 */
#include <errno.h>
#include <fcntl.h>
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

static int is_separator(const char *word) { return strcmp(word, "--") == 0 || strcmp(word, "--cold") == 0; }

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

/* Nothing of a file that is mapped or not written yet is dropped; neither is it here. */
static void drop_cache(const char *path) {
  int file = open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) fail(path, strerror(errno));
  fdatasync(file);
  posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED);
  close(file);
}

static void run(long round, int command, char **argv) {
  struct rusage usage;
  int status;
  long long start = nanoseconds();
  pid_t pid = fork();
  if (pid < 0) fail("fork", strerror(errno));
  if (pid == 0) {
    execve(argv[0], argv, environment);
    fprintf(stderr, "measure: %s: %s\n", argv[0], strerror(errno));
    _exit(127);
  }
  while (wait4(pid, &status, 0, &usage) < 0)
    if (errno != EINTR) fail("wait4", strerror(errno));
  long long end = nanoseconds();
  if (status != 0) fail(argv[0], "did not succeed");
  printf("{\"round\":%ld,\"command\":%d,\"wallNs\":%lld,\"userUs\":%lld,\"systemUs\":%lld,\"peakKib\":%ld}\n", round,
         command, end - start, microseconds(usage.ru_utime), microseconds(usage.ru_stime), usage.ru_maxrss);
}

int main(int argc, char **argv) {
  char **commands[MAXIMUM_COMMANDS];
  int is_cold[MAXIMUM_COMMANDS];
  int count = 0;
  if (argc < 5 || !is_separator(argv[3])) fail("usage", "measure ROUNDS TARGET SEPARATOR COMMAND [ARGUMENT]...");
  /* Who started us is gone: so is the reason to go on. */
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  for (int i = 3; i < argc; i++) {
    if (!is_separator(argv[i])) continue;
    if (count == MAXIMUM_COMMANDS || i + 1 == argc) fail("usage", "too many commands, or an empty one");
    is_cold[count] = strcmp(argv[i], "--cold") == 0;
    argv[i] = NULL;
    commands[count++] = &argv[i + 1];
  }
  int null = open("/dev/null", O_RDWR);
  if (null < 0 || dup2(null, 0) < 0) fail("/dev/null", strerror(errno));
  dev_t before = device_of(argv[2]);
  for (long round = 0; round < atol(argv[1]); round++) {
    for (int command = 0; command < count; command++) {
      if (is_cold[command]) drop_cache(commands[command][0]);
      run(round, command, commands[command]);
      if (device_of(argv[2]) == before) fail(argv[2], "nothing was mounted");
      if (umount2(argv[2], 0) != 0) fail(argv[2], strerror(errno));
    }
  }
  return 0;
}
