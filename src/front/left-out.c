/* What QuickJS refers to, and no module of ours comes to: in the place of what libm and libc have for it. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

/* libc's would bring its own printf(3). */
_Noreturn void __assert_fail(const char *claim, const char *file, int line, const char *function) {
  char text[512];
  int length = snprintf(text, sizeof text, "mounter: %s:%d: %s: Assertion `%s' failed.\n", file, line, function, claim);
  if (write(STDERR_FILENO, text, length < (int)sizeof text ? (size_t)length : sizeof text - 1) < 0) abort();
  abort();
}

/* The front knows no time zone: its dates are UTC. */
struct tm *localtime_r(const time_t *time, struct tm *result) {
  (void)time;
  *result = (struct tm){.tm_mday = 1};
  return result;
}

/* Functions of Math: scripts/front/bundle.ts refuses modules that call them. */
#define NOT_THERE(name) \
  double name(double number) { return (void)number, NAN; }
#define NOT_THERE_OF_TWO(name) \
  double name(double first, double second) { return (void)first, (void)second, NAN; }

NOT_THERE(acos)
NOT_THERE(acosh)
NOT_THERE(asin)
NOT_THERE(asinh)
NOT_THERE(atan)
NOT_THERE(atanh)
NOT_THERE(cbrt)
NOT_THERE(cos)
NOT_THERE(cosh)
NOT_THERE(exp)
NOT_THERE(expm1)
NOT_THERE(log)
NOT_THERE(log10)
NOT_THERE(log1p)
NOT_THERE(log2)
NOT_THERE(sin)
NOT_THERE(sinh)
NOT_THERE(tan)
NOT_THERE(tanh)
NOT_THERE_OF_TWO(atan2)
NOT_THERE_OF_TWO(hypot)
