/*
 * readers REQUEST_BYTES FILE...
 *
 * Reads each FILE from its begin to its end in requests of that size, each by a process of its own, all at once. None
 * of it is in memory before. Prints how many bytes there were, and how long all took together, in ms.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void fail(const char *subject) {
  perror(subject);
  exit(2);
}

static double now_ms(void) {
  struct timespec now;
  (void)clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

/* Opened before the clock runs, and without what the page cache has of it. */
static int open_cold(const char *path) {
  int file = open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0 || posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED) != 0) fail(path);
  return file;
}

static void read_whole(int file, char *buffer, size_t size, const char *path) {
  ssize_t length;
  while ((length = read(file, buffer, size)) > 0) continue;
  if (length < 0) fail(path);
}

int main(int argc, char **argv) {
  size_t size = argc > 2 ? strtoul(argv[1], NULL, 10) : 0;
  char *buffer = size == 0 ? NULL : calloc(1, size);
  int start[2];
  long long bytes = 0;
  if (buffer == NULL || pipe(start) != 0) fail("usage: readers REQUEST_BYTES FILE...");
  for (int i = 2; i < argc; i++) {
    int file = open_cold(argv[i]);
    bytes += lseek(file, 0, SEEK_END);
    (void)lseek(file, 0, SEEK_SET);
    pid_t pid = fork();
    if (pid < 0) fail("fork");
    if (pid > 0) {
      (void)close(file);
      continue;
    }
    char none;
    (void)close(start[1]);
    if (read(start[0], &none, 1) != 0) fail("pipe");
    read_whole(file, buffer, size, argv[i]);
    _exit(0);
  }
  double began = now_ms();
  (void)close(start[1]);
  int status, failed = 0;
  while (wait(&status) > 0) failed |= status;
  printf("%lld %.3f\n", bytes, now_ms() - began);
  return failed == 0 ? 0 : 2;
}
