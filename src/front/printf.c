/*
 * vsnprintf(3) and snprintf(3) in the place of libc's, for what QuickJS and our own C write of text and whole numbers: a
 * call takes a third of the instructions, and libc's would bring floating point numbers, which QuickJS writes by itself.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

struct output {
  char *buffer;
  /* How much of it may be text; and how long that is, or would be. */
  size_t room, length;
};

/* Such as `%-8.3lx`. */
struct conversion {
  int is_left, is_zero, is_alternate, is_long;
  /* '+', ' ', or none: '\0'. */
  char sign;
  char letter;
  int width;
  /* Negative: none. */
  int precision;
};

/* Of the largest number. */
enum { DIGITS = sizeof "18446744073709551615" - 1 };

static void put(struct output *output, const char *text, size_t length) {
  if (output->length < output->room) {
    size_t left = output->room - output->length;
    memcpy(output->buffer + output->length, text, length < left ? length : left);
  }
  output->length += length;
}

static void fill(struct output *output, char byte, long count) {
  for (; count > 0; count--) put(output, &byte, 1);
}

/* `prefix`, as many zeros, and `text`, in the width. */
static void put_in_width(struct output *output, const struct conversion *as, const char *prefix, long zeros,
                         const char *text, size_t length) {
  size_t before = strlen(prefix);
  long blanks = as->width - (long)(before + length) - (zeros > 0 ? zeros : 0);
  if (!as->is_left) fill(output, ' ', blanks);
  put(output, prefix, before);
  fill(output, '0', zeros);
  put(output, text, length);
  if (as->is_left) fill(output, ' ', blanks);
}

static void put_text(struct output *output, const struct conversion *as, const char *text) {
  if (text == NULL) text = as->precision < 0 || as->precision >= 6 ? "(null)" : "";
  size_t length = as->precision < 0 ? strlen(text) : strnlen(text, (size_t)as->precision);
  put_in_width(output, as, "", 0, text, length);
}

static void put_number(struct output *output, const struct conversion *as, const char *prefix, uintmax_t number,
                       unsigned base) {
  const char *digits = as->letter == 'X' ? "0123456789ABCDEF" : "0123456789abcdef";
  char text[DIGITS], *first = text + DIGITS;
  for (; number > 0; number /= base) *--first = digits[number % base];
  long length = text + DIGITS - first, zeros;
  if (as->precision >= 0) zeros = as->precision - length;
  else if (as->is_zero && !as->is_left) zeros = as->width - (long)strlen(prefix) - length;
  else zeros = 0;
  /* A zero has a digit, unless none is wanted. */
  if (length == 0 && as->precision < 0 && zeros < 1) zeros = 1;
  put_in_width(output, as, prefix, zeros, first, (size_t)length);
}

static void put_hexadecimal(struct output *output, const struct conversion *as, uintmax_t number) {
  const char *prefix = as->letter == 'X' ? "0X" : "0x";
  put_number(output, as, as->is_alternate && number != 0 ? prefix : "", number, 16);
}

static void put_pointer(struct output *output, struct conversion *as, const void *pointer) {
  as->is_alternate = 1;
  if (pointer == NULL) put_in_width(output, as, "", 0, "(nil)", 5);
  else put_hexadecimal(output, as, (uintptr_t)pointer);
}

struct input {
  const char *format;
  va_list arguments;
};

static void read_flags(struct input *input, struct conversion *as) {
  for (;; input->format++) switch (*input->format) {
      case '-': as->is_left = 1; break;
      case '0': as->is_zero = 1; break;
      case '#': as->is_alternate = 1; break;
      case '+': as->sign = '+'; break;
      case ' ': as->sign = as->sign == '\0' ? ' ' : as->sign; break;
      default: return;
    }
}

/* A number, or `*` for one among the arguments. */
static int read_count(struct input *input) {
  if (*input->format == '*') return input->format++, va_arg(input->arguments, int);
  int count = 0;
  for (; *input->format >= '0' && *input->format <= '9'; input->format++) count = count * 10 + (*input->format - '0');
  return count;
}

static struct conversion read_conversion(struct input *input) {
  struct conversion as = {.precision = -1};
  read_flags(input, &as);
  as.width = read_count(input);
  if (as.width < 0) {
    as.is_left = 1;
    as.width = -as.width;
  }
  if (*input->format == '.') {
    input->format++;
    as.precision = read_count(input);
  }
  _Static_assert(sizeof(long) == sizeof(intmax_t) && sizeof(long) == sizeof(size_t), "not all of them are 64 bits");
  for (; *input->format != '\0' && strchr("lzjt", *input->format) != NULL; input->format++) as.is_long = 1;
  as.letter = *input->format;
  return as;
}

static void put_signed(struct output *output, struct input *input, const struct conversion *as) {
  intmax_t number = as->is_long ? va_arg(input->arguments, long) : va_arg(input->arguments, int);
  const char sign[] = {number < 0 ? '-' : as->sign, '\0'};
  put_number(output, as, sign, number < 0 ? -(uintmax_t)number : (uintmax_t)number, 10);
}

static void put_unsigned(struct output *output, struct input *input, const struct conversion *as) {
  uintmax_t number = as->is_long ? va_arg(input->arguments, unsigned long) : va_arg(input->arguments, unsigned);
  if (as->letter == 'u') put_number(output, as, "", number, 10);
  else put_hexadecimal(output, as, number);
}

/* Returns whether it is known. */
static int put_conversion(struct output *output, struct input *input, struct conversion *as) {
  switch (as->letter) {
    case '%': return put(output, "%", 1), 1;
    case 'c': return put_in_width(output, as, "", 0, &(char){(char)va_arg(input->arguments, int)}, 1), 1;
    case 's': return put_text(output, as, va_arg(input->arguments, const char *)), 1;
    case 'p': return put_pointer(output, as, va_arg(input->arguments, const void *)), 1;
    case 'd':
    case 'i': return put_signed(output, input, as), 1;
    case 'u':
    case 'x':
    case 'X': return put_unsigned(output, input, as), 1;
    default: return 0;
  }
}

int vsnprintf(char *buffer, size_t size, const char *format, va_list arguments) {
  struct output output = {buffer, size == 0 ? 0 : size - 1, 0};
  struct input input = {.format = format};
  va_copy(input.arguments, arguments);
  while (*input.format != '\0') {
    const char *begin = input.format;
    while (*input.format != '\0' && *input.format != '%') input.format++;
    put(&output, begin, (size_t)(input.format - begin));
    if (*input.format == '\0') break;
    begin = input.format++;
    struct conversion as = read_conversion(&input);
    if (put_conversion(&output, &input, &as)) {
      input.format++;
      continue;
    }
    /* As it stands there, and the last: what follows would be given other arguments than its own. */
    put(&output, begin, strlen(begin));
    break;
  }
  va_end(input.arguments);
  if (size > 0) buffer[output.length < output.room ? output.length : output.room] = '\0';
  return (int)output.length;
}

int snprintf(char *buffer, size_t size, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  int length = vsnprintf(buffer, size, format, arguments);
  va_end(arguments);
  return length;
}
