/*
 * Linked to the front's own objects: a program that starts the engine, loads the modules, and writes on stdout what
 * the memory of both holds then, for the front to begin with. In a section of its own, and with nothing that the
 * front does not have as well: the two must have everything at the same addresses.
 */
#include <linux/seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "arena.h"

#define ARENA_SIZE (16 * 1024 * 1024)

__attribute__((section("saver"))) int save_started(const struct starting *starting) {
  const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE;
  char *memory = mmap((void *)ARENA_ADDRESS, ARENA_SIZE, PROT_READ | PROT_WRITE, flags, -1, 0);
  if (memory == MAP_FAILED) return 2;
  starting->arena_begin(memory, ARENA_SIZE);
  struct started started;
  int status = starting->start_engine(&started);
  if (status != 0) return status;
  /* What a module finds out when it is loaded would hold for every call: it can ask nobody, and know no time. */
  if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT) != 0) return 2;
  status = starting->load_modules(&started);
  if (status == 0) {
    size_t size = starting->arena_end(&started);
    for (ssize_t written = 0; size > 0 && written >= 0; memory += written, size -= (size_t)written)
      written = write(STDOUT_FILENO, memory, size);
  }
  /* exit(3) would end all threads, which is not allowed. */
  return (int)syscall(SYS_exit, status);
}
