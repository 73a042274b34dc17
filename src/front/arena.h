#ifndef ARENA_H
#define ARENA_H

#include "quickjs.h"
#include "system-calls.h"

/*
 * The memory of QuickJS, so that it can lie in the executable: the engine is started, and the modules are loaded,
 * when the front is built, and what memory holds then is a part of the file that a call begins with. That takes an
 * executable whose addresses are fixed, and everything of the engine in one place, at ARENA_ADDRESS.
 */
struct started {
  JSRuntime *runtime;
  JSContext *context;
  struct callbacks callbacks;
};

/* Memory that grows with the process, and is given back to it. */
extern const JSMallocFunctions arena_functions;

/* What was started when the front was built; NULL in a program that has to start by itself. */
struct started *started_before(void);

/* Of a build: everything that is allocated from now on is in these bytes, at ARENA_ADDRESS. */
void arena_begin(void *memory, size_t size);

/* How many of them are to be kept, in whole pages. */
size_t arena_end(const struct started *started);

/* The steps of a start, for the program that keeps what comes of it. The first two return an exit status. */
struct starting {
  void (*arena_begin)(void *memory, size_t size);
  int (*start_engine)(struct started *started);
  int (*load_modules)(struct started *started);
  size_t (*arena_end)(const struct started *started);
};

#endif
