#ifndef CHUNKS_H
#define CHUNKS_H

#include <stddef.h>
#include <stdint.h>

/* A module that scripts/front compiled; the last one of a list has no name. */
struct chunk {
  const char *name;
  const uint8_t *bytes;
  size_t length;
};

#endif
