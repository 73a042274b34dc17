/*
 * printf [CONVERSION]...
 *
 * Compares src/front/printf.c with glibc's: each CONVERSION, such as `%-8.*s`, and all flags, widths, precisions and
 * lengths that it claims to know together, with numbers from all over their range, the same ones in every run. Prints the
 * number of comparisons, or on stderr what differs, with status 1.
 */
#define _GNU_SOURCE
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define vsnprintf own_vsnprintf
#define snprintf own_snprintf
int own_snprintf(char *buffer, size_t size, const char *format, ...);
int own_vsnprintf(char *buffer, size_t size, const char *format, va_list arguments);
#include "../../../src/front/printf.c"
#undef vsnprintf
#undef snprintf

enum { ROOM = 256, ROUNDS = 24 };

static uint64_t state = 0x9e3779b97f4a7c15;
static long compared;

/* @see https://en.wikipedia.org/wiki/Xorshift */
static uint64_t next_random(void) {
  state ^= state << 13;
  state ^= state >> 7;
  return state ^= state << 17;
}

/* As many small ones as large ones, and the ends of the range. */
static long any_number(void) {
  static const long ends[] = {0, 1, -1, 9, 10, INT_MIN, INT_MAX, UINT_MAX, LONG_MIN, LONG_MAX};
  uint64_t random = next_random();
  if (random % 4 == 0) return ends[random / 4 % (sizeof ends / sizeof ends[0])];
  return (long)(next_random() >> random % 64);
}

static const char *any_text(void) {
  static const char *const texts[] = {NULL, "", "a", "Sunday", "\xc3\xa9t\xc3\xa9", "longer than any of the widths here"};
  return texts[next_random() % (sizeof texts / sizeof texts[0])];
}

#define COMPARE(...)                                                                          \
  do {                                                                                        \
    char own[ROOM], theirs[ROOM];                                                             \
    size_t room = next_random() % 3 == 0 ? next_random() % 16 : ROOM;                         \
    memset(own, '~', ROOM), memset(theirs, '~', ROOM);                                        \
    int own_length = own_snprintf(own, room, whole, __VA_ARGS__);                             \
    int their_length = snprintf(theirs, room, whole, __VA_ARGS__);                            \
    compared++;                                                                               \
    if (own_length == their_length && memcmp(own, theirs, ROOM) == 0) break;                  \
    (void)fprintf(stderr, "%s in %zu bytes: %d `%.*s`, and glibc's %d `%.*s`\n", whole, room, \
                  own_length, ROOM, own, their_length, ROOM, theirs);                         \
    exit(1);                                                                                  \
  } while (0)

#define COMPARE_STARRED(any)                                    \
  do {                                                          \
    __auto_type value = any;                                    \
    int first = (int)(next_random() % 40) - 20;                 \
    int second = (int)(next_random() % 30) - 6;                 \
    if (stars == 0) COMPARE(value);                             \
    else if (stars == 1) COMPARE(first, value);                 \
    else COMPARE(first, second, value);                         \
  } while (0)

static void compare(const char *conversion) {
  char whole[64];
  (void)snprintf(whole, sizeof whole, "<%s|%%%s>", conversion, next_random() % 2 == 0 ? "" : "%");
  if (next_random() % 2 == 0) (void)snprintf(whole, sizeof whole, "%s", conversion);
  const char letter = conversion[strlen(conversion) - 1];
  const int is_long = strpbrk(conversion, "lzjt") != NULL;
  int stars = 0;
  for (const char *star = conversion; (star = strchr(star, '*')) != NULL; star++) stars++;
  for (int round = 0; round < ROUNDS; round++) switch (letter) {
      case 'd': case 'i': case 'u': case 'x': case 'X':
        if (is_long) COMPARE_STARRED(any_number());
        else COMPARE_STARRED((int)any_number());
        break;
      case 'c': COMPARE_STARRED((int)(next_random() % 256)); break;
      case 's': COMPARE_STARRED(any_text()); break;
      case 'p': COMPARE_STARRED((void *)any_number()); break;
      case '%': COMPARE(0); break;
      default:
        (void)fprintf(stderr, "%s: not known\n", conversion);
        exit(1);
    }
}

/* What ISO C leaves undefined of them is no matter: `#` of a decimal number, or a length of a text. */
static int is_defined(const char *flags, const char *precision, const char *length, char letter) {
  const int is_number = strchr("diuxX", letter) != NULL;
  if (strchr(flags, '#') != NULL && letter != 'x' && letter != 'X') return 0;
  if (strpbrk(flags, "+ ") != NULL && letter != 'd' && letter != 'i') return 0;
  if (strchr(flags, '0') != NULL && !is_number) return 0;
  return is_number || (length[0] == '\0' && (precision[0] == '\0' || letter == 's'));
}

int main(int argc, char **argv) {
  static const char *const widths[] = {"", "1", "7", "24", "*"}, *const precisions[] = {"", ".", ".0", ".3", ".22", ".*"};
  static const char *const lengths[] = {"", "l", "ll", "z", "j", "t"};
  for (int i = 1; i < argc; i++) compare(argv[i]);
  for (int bits = 0; bits < 32; bits++)
    for (int width = 0; width < 5; width++)
      for (int precision = 0; precision < 6; precision++)
        for (int length = 0; length < 6; length++)
          for (const char *letter = "diuxXcsp"; *letter != '\0'; letter++) {
            char flags[6] = "", conversion[24];
            for (int bit = 0; bit < 5; bit++)
              if ((bits >> bit & 1) != 0) strncat(flags, &"-0+ #"[bit], 1);
            if (!is_defined(flags, precisions[precision], lengths[length], *letter)) continue;
            (void)snprintf(conversion, sizeof conversion, "%%%s%s%s%s%c", flags, widths[width], precisions[precision],
                           lengths[length], *letter);
            compare(conversion);
          }
  (void)printf("%ld\n", compared);
  return 0;
}
