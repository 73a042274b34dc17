#include "arena.h"

#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/*
 * Blocks are of few sizes: every 16 bytes up to SMALL, then four to each power of two up to LARGEST, and what is larger
 * is malloc(3)'s. What is freed is kept for the next one of its size. A block begins with its head; what QuickJS gets
 * comes after that.
 */
enum { HEAD = 8, UNIT = 16, SMALL = 1024, SMALL_SIZES = SMALL / UNIT + 1, LARGEST = 128 * 1024, SIZES = SMALL_SIZES + 28 };

struct head {
  /* The place of its like in `freed`; SIZES: malloc's, which knows its size. */
  uint32_t index;
  /* In bytes, with the head. */
  uint32_t size;
};

/*
 * Room for a call as it usually is, of which it uses so much: the rest is no memory until it is used. What takes more has
 * it from malloc(3).
 */
enum { FRESH = 512 * 1024, USUAL = 80 * 1024, PAGE = 4096 };

struct arena {
  struct started started;
  char *next, *end;
  void *freed[SIZES];
};

/* The section `arena` of the executable. */
extern char __start_arena[] __attribute__((weak)), __stop_arena[] __attribute__((weak));

static struct arena own;
static struct arena *arena = &own;

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

/* A call writes to nearly all of it: to ask for it is cheaper than a fault for each page. Since Linux 5.14. */
static void make_memory(char *pages, size_t size) { (void)madvise(pages, size, MADV_POPULATE_WRITE); }

struct started *started_before(void) {
  if (__start_arena == NULL) return NULL;
  arena = (struct arena *)__start_arena;
  make_memory(__start_arena, (size_t)(__stop_arena - __start_arena));
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

static struct head *head_of(const void *memory) { return (struct head *)memory - 1; }

static size_t size_of(const void *memory) {
  const struct head *head = head_of(memory);
  return head->index == SIZES ? malloc_usable_size((void *)head) : head->size;
}

static uint32_t small_index(size_t wanted) { return ((uint32_t)wanted + HEAD + UNIT - 1) / UNIT; }

/* By its size QuickJS knows when to collect; what else it would have counted, nobody asks for. */
static void *take_freed(JSMallocState *state, uint32_t index, uint32_t size) {
  void *memory = arena->freed[index];
  if (memory == NULL) return NULL;
  arena->freed[index] = *(void **)memory;
  state->malloc_size += size;
  return memory;
}

static void *fresh_block(JSMallocState *state, uint32_t index, uint32_t size) {
  if ((size_t)(arena->end - arena->next) < size) {
    static char fresh[FRESH] __attribute__((aligned(PAGE)));
    static int is_taken;
    char *more = is_taken ? malloc(FRESH) : fresh;
    if (more == NULL) return NULL;
    if (!is_taken) make_memory(fresh, USUAL);
    is_taken = 1;
    arena->next = more;
    arena->end = more + FRESH;
  }
  struct head *block = (struct head *)arena->next;
  arena->next += size;
  *block = (struct head){index, size};
  state->malloc_size += size;
  return block + 1;
}

/* What is not there already. */
static __attribute__((noinline)) void *allocate_fresh(JSMallocState *state, size_t wanted) {
  uint32_t size, index;
  if (wanted <= SMALL - HEAD) {
    index = small_index(wanted);
    size = index * UNIT;
  } else if (wanted <= LARGEST - HEAD) {
    /* The power of two below it, and a quarter of that. */
    uint32_t last = (uint32_t)wanted + HEAD - 1;
    int power = 31 - __builtin_clz(last), quarter = power - 2;
    size = ((last >> quarter) + 1) << quarter;
    index = SMALL_SIZES + (uint32_t)(power - 10) * 4 + ((last >> quarter) & 3);
  } else {
    /* No size that would overflow. */
    struct head *block = wanted > PTRDIFF_MAX / 2 ? NULL : malloc(wanted + HEAD);
    if (block == NULL) return NULL;
    block->index = SIZES;
    state->malloc_size += malloc_usable_size(block);
    return block + 1;
  }
  void *memory = take_freed(state, index, size);
  return memory == NULL ? fresh_block(state, index, size) : memory;
}

static void *allocate(JSMallocState *state, size_t wanted) {
  if (wanted > SMALL - HEAD) return allocate_fresh(state, wanted);
  uint32_t index = small_index(wanted);
  void *memory = take_freed(state, index, index * UNIT);
  return memory == NULL ? allocate_fresh(state, wanted) : memory;
}

static __attribute__((noinline)) void give_back_large(JSMallocState *state, struct head *head) {
  state->malloc_size -= malloc_usable_size(head);
  free(head);
}

static void give_back(JSMallocState *state, void *memory) {
  if (memory == NULL) return;
  struct head *head = head_of(memory);
  if (head->index == SIZES) return give_back_large(state, head);
  state->malloc_size -= head->size;
  *(void **)memory = arena->freed[head->index];
  arena->freed[head->index] = memory;
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
