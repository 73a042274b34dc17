#include "arena.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/*
 * Blocks are of few sizes: every 16 bytes up to SMALL, then four to each power of two. What is freed is kept for the
 * next one of its size. A block begins with its size, that of the head included; what QuickJS gets comes after that.
 */
enum { HEAD = 8, UNIT = 16, SMALL = 1024, SMALL_SIZES = SMALL / UNIT + 1, LARGEST = 128 * 1024, SIZES = SMALL_SIZES + 28 };

/* Room for a call as it usually is: it is no memory until it is used. What takes more has it from malloc(3). */
enum { FRESH = 512 * 1024, PAGE = 4096 };

struct arena {
  struct started started;
  char *next, *end;
  void *freed[SIZES];
};

/* The section `arena` of the executable. */
extern char __start_arena[] __attribute__((weak));

static struct arena own;
static struct arena *arena = &own;

struct started *started_before(void) {
  if (__start_arena == NULL) return NULL;
  arena = (struct arena *)__start_arena;
  return &arena->started;
}

void arena_begin(void *memory, size_t size) {
  arena = memory;
  arena->next = (char *)(arena + 1);
  arena->end = (char *)memory + size;
}

size_t arena_end(const struct started *started) {
  JS_RunGC(started->runtime);
  size_t used = (size_t)(arena->next - (char *)arena);
  size_t kept = (used + PAGE - 1) / PAGE * PAGE;
  arena->started = *started;
  arena->end = (char *)arena + kept;
  return kept;
}

/* The size of the block for `wanted` bytes, and in *index the place of its like in `freed`. */
static size_t block_size(size_t wanted, int *index) {
  size_t size = (wanted + HEAD + UNIT - 1) & ~(size_t)(UNIT - 1);
  if (size <= SMALL) {
    *index = (int)(size / UNIT);
    return size;
  }
  /* 1024 < size: the power of two below it, and a quarter of that. */
  int power = 63 - __builtin_clzl(size - 1), quarter = power - 2;
  size = (((size - 1) >> quarter) + 1) << quarter;
  *index = SMALL_SIZES + (power - 10) * 4 + (int)(((size - 1) >> quarter) & 3);
  return size;
}

static size_t size_of(const void *memory) { return *(const size_t *)((const char *)memory - HEAD); }

static char *fresh_block(size_t size) {
  if ((size_t)(arena->end - arena->next) < size) {
    static char fresh[FRESH] __attribute__((aligned(UNIT)));
    static int is_taken;
    char *more = is_taken ? malloc(FRESH) : fresh;
    if (more == NULL) return NULL;
    is_taken = 1;
    arena->next = more;
    arena->end = more + FRESH;
  }
  char *block = arena->next;
  arena->next += size;
  return block;
}

static void *allocate(JSMallocState *state, size_t wanted) {
  /* No size that would overflow below. */
  if (wanted > PTRDIFF_MAX / 2 || state->malloc_size + wanted > state->malloc_limit) return NULL;
  int index = 0;
  size_t size = wanted + HEAD;
  char *block;
  if (size > LARGEST) {
    block = malloc(size);
  } else {
    size = block_size(wanted, &index);
    block = arena->freed[index];
    if (block != NULL) arena->freed[index] = *(void **)(block + HEAD);
    else block = fresh_block(size);
  }
  if (block == NULL) return NULL;
  *(size_t *)block = size;
  state->malloc_count++;
  state->malloc_size += size;
  return block + HEAD;
}

static void give_back(JSMallocState *state, void *memory) {
  if (memory == NULL) return;
  size_t size = size_of(memory);
  char *block = (char *)memory - HEAD;
  state->malloc_count--;
  state->malloc_size -= size;
  if (size > LARGEST) {
    free(block);
    return;
  }
  int index;
  (void)block_size(size - HEAD, &index);
  *(void **)memory = arena->freed[index];
  arena->freed[index] = block;
}

static void *resize(JSMallocState *state, void *memory, size_t wanted) {
  if (memory == NULL) return wanted == 0 ? NULL : allocate(state, wanted);
  if (wanted == 0) {
    give_back(state, memory);
    return NULL;
  }
  size_t usable = size_of(memory) - HEAD;
  /* As it is, unless most of it would be left over. */
  if (wanted <= usable && usable / 4 <= wanted) return memory;
  void *moved = allocate(state, wanted);
  if (moved == NULL) return NULL;
  memcpy(moved, memory, wanted < usable ? wanted : usable);
  give_back(state, memory);
  return moved;
}

static size_t usable_size(const void *memory) { return memory == NULL ? 0 : size_of(memory) - HEAD; }

const JSMallocFunctions arena_functions = {allocate, give_back, resize, usable_size};
