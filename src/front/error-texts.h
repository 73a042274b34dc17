#ifndef ERROR_TEXTS_H
#define ERROR_TEXTS_H

/* Of an errno; NULL for a number that is none. */
struct error_text {
  const char *name, *description;
};

/* By the errno, as scripts/front/errors.c prints them. */
extern const struct error_text error_texts[];
extern const int error_texts_count;

#endif
