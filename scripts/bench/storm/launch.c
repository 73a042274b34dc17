/*
 * launch DIRECTORY < CALLS
 *
 * Starts every call and waits for all of them, as a kubelet with that many pods does. A call is a line of stdin, argv
 * separated by tabs. They begin together: none before each has a process. What a call writes goes to DIRECTORY/NUMBER.
 * Prints a line of JSON for each, as they end:
 *
 *   {"call":0,"status":0,"wallNs":5678}
 *
 * Small and static: what is measured are the calls, and not who starts them.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MAXIMUM_CALLS = 4096, MAXIMUM_WORDS = 64 };

struct call {
  char *argv[MAXIMUM_WORDS];
  pid_t pid;
  int has_ended;
};

static struct call calls[MAXIMUM_CALLS];
static int count;

static char *const environment[] = {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C",
                                    NULL};

static void fail(const char *subject, const char *cause) {
  fprintf(stderr, "launch: %s: %s\n", subject, cause);
  exit(2);
}

static long long nanoseconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static void read_calls(void) {
  char *line = NULL;
  size_t size = 0;
  for (ssize_t length; (length = getline(&line, &size, stdin)) > 0;) {
    if (count == MAXIMUM_CALLS) fail("stdin", "too many calls");
    line[strcspn(line, "\n")] = '\0';
    char *rest = strdup(line), *field;
    struct call *call = &calls[count++];
    int words = 0;
    while ((field = strsep(&rest, "\t")) != NULL) {
      if (words + 1 == MAXIMUM_WORDS) fail("stdin", "too many words in a call");
      call->argv[words++] = field;
    }
    if (*call->argv[0] == '\0') fail("stdin", "a call without words");
  }
  free(line);
}

/* A pipe: whoever reads waits until nobody has its other end open any more. */
static int gate[2];

static void wait_at_gate(void) {
  char none;
  (void)close(gate[1]);
  while (read(gate[0], &none, 1) < 0 && errno == EINTR) continue;
  (void)close(gate[0]);
}

static void start(int number) {
  struct call *call = &calls[number];
  char output[32];
  snprintf(output, sizeof output, "%d", number);
  call->pid = fork();
  if (call->pid < 0) fail("fork", strerror(errno));
  if (call->pid > 0) return;
  int null = open("/dev/null", O_RDONLY), out = open(output, O_WRONLY | O_CREAT | O_APPEND, 0600);
  if (null < 0 || out < 0 || dup2(null, 0) < 0 || dup2(out, 1) < 0 || dup2(out, 2) < 0) _exit(126);
  if (chdir("/") != 0) _exit(126);
  wait_at_gate();
  execve(call->argv[0], call->argv, environment);
  _exit(127);
}

/* Waits for the next call that ends. */
static void reap(long long first) {
  int status;
  pid_t pid;
  while ((pid = waitpid(-1, &status, 0)) < 0)
    if (errno != EINTR) fail("waitpid", strerror(errno));
  long long wall = nanoseconds() - first;
  for (int i = 0; i < count; i++) {
    if (calls[i].pid != pid || calls[i].has_ended) continue;
    calls[i].has_ended = 1;
    printf("{\"call\":%d,\"status\":%d,\"wallNs\":%lld}\n", i,
           WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), wall);
    fflush(stdout);
  }
}

int main(int argc, char **argv) {
  if (argc != 2) fail("usage", "launch DIRECTORY < CALLS");
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  read_calls();
  if (chdir(argv[1]) != 0) fail(argv[1], strerror(errno));
  if (pipe2(gate, O_CLOEXEC) != 0) fail("pipe", strerror(errno));
  for (int i = 0; i < count; i++) start(i);
  (void)close(gate[1]);
  long long first = nanoseconds();
  for (int left = count; left > 0; left--) reap(first);
  return 0;
}
