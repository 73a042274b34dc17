/*
 * Prints C with glibc's names and descriptions of all errors: those that an administrator knows of every other program,
 * where the front's own libc has others. The kernel's numbers are the same on both architectures.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>

/* The kernel's own are fewer. @see linux/err.h */
#define MOST_ERRORS 4095

int main(void) {
  (void)printf("#include \"error-texts.h\"\nconst struct error_text error_texts[] = {\n");
  for (int error = 1; error <= MOST_ERRORS; error++)
    if (strerrorname_np(error) != NULL)
      (void)printf("[%d] = {\"%s\", \"%s\"},\n", error, strerrorname_np(error), strerrordesc_np(error));
  (void)printf("};\nconst int error_texts_count = sizeof error_texts / sizeof error_texts[0];\n");
  return fflush(stdout) == 0 ? 0 : 2;
}
