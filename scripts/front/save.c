/*
 * Linked to the front's own objects: a program that starts the engine, loads the modules, and writes on stdout what
 * the memory of both holds then, for the front to begin with. In a section of its own, and with nothing that the
 * front does not have as well: the two must have everything at the same addresses.
 */
#include <linux/seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#include "arena.h"

#define ARENA_SIZE (16 * 1024 * 1024)
/* More than any stack of this program is long. */
#define STACK_SIZE (64UL * 1024 * 1024)
#define SAVER __attribute__((section("saver")))

/* As QuickJS seeds Math.random, which the front has not. */
SAVER static unsigned long microseconds(void) {
  struct timeval now;
  (void)gettimeofday(&now, NULL);
  return (unsigned long)now.tv_sec * 1000000 + (unsigned long)now.tv_usec;
}

/*
 * What another run would have otherwise: the same sources give the same front. Places on this run's stack, which the
 * front tells the engine anew, and the time at which the engine was started, from `began` to `ended`.
 */
SAVER static void forget_this_run(char *memory, size_t size, unsigned long began, unsigned long ended) {
  const unsigned long lowest = (unsigned long)__builtin_frame_address(0) - STACK_SIZE;
  for (unsigned long *word = (unsigned long *)memory; (char *)word < memory + size; word++)
    if (*word - lowest < 2 * STACK_SIZE || (*word >= began && *word <= ended)) *word = 1;
}

SAVER int save_started(const struct starting *starting) {
  /* An emulator may not know MAP_FIXED_NOREPLACE, and lay it elsewhere. */
  const int flags = MAP_PRIVATE | MAP_ANONYMOUS | (IS_EMULATED ? MAP_FIXED : MAP_FIXED_NOREPLACE);
  char *memory = mmap((void *)ARENA_ADDRESS, ARENA_SIZE, PROT_READ | PROT_WRITE, flags, -1, 0);
  if (memory != (void *)ARENA_ADDRESS) return 2;
  starting->arena_begin(memory, ARENA_SIZE);
  struct started started;
  const unsigned long began = microseconds();
  int status = starting->start_engine(&started);
  const unsigned long ended = microseconds();
  if (status != 0) return status;
  /*
   * What a module finds out when it is loaded would hold for every call: it can ask nobody, and know no time. An
   * emulator has no such mode: scripts/front.ts looks at what was called behind this.
   */
  if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT) != 0 && !IS_EMULATED) return 2;
  status = starting->load_modules(&started);
  if (status == 0) {
    size_t size = starting->arena_end(&started);
    forget_this_run(memory, size, began, ended);
    for (ssize_t written = 0; size > 0 && written >= 0; memory += written, size -= (size_t)written)
      written = write(STDOUT_FILENO, memory, size);
  }
  /* exit(3) would end all threads, which is not allowed. */
  return (int)syscall(SYS_exit, status);
}
