/*
 * The guard as a program: what mount.glusterfs runs under the name glusterfs. It becomes the real glusterfs with
 * itself preloaded, so that confine.c and interpose.c are in force before the first line of glusterfs's.
 *
 * ld.so only warns of a library that it can't preload, and would go on without: wrong architecture, another C
 * library, no memory at that moment. So the first argument gets a prefix that glusterfs takes for an unknown option,
 * and ends; the guard takes it off again.
 *
 * One file is both, like glibc's libc.so.6. As a program it has no ld.so: nothing here may be relocated or call a
 * library, and it runs in a rootfs of any C library.
 */
#include <asm/unistd.h>
#include <elf.h>
#include <stddef.h>

#include "guard.h"

/* EX_USAGE and EX_OSERR of sysexits(3), which glusterfs ends with as well. */
#define BAD_USAGE 64
#define NOT_STARTED 71

#if defined(__x86_64__)

__asm__(".text\n"
        ".global guard_entry\n"
        ".hidden guard_entry\n"
        ".type guard_entry, @function\n"
        "guard_entry:\n"
        "  xor %ebp, %ebp\n"
        "  mov %rsp, %rdi\n"
        "  and $-16, %rsp\n"
        "  call guard_start\n"
        "  hlt\n");

static long system_call(long number, long first, long second, long third) {
  long result;
  __asm__ volatile("syscall"
                   : "=a"(result)
                   : "a"(number), "D"(first), "S"(second), "d"(third)
                   : "rcx", "r11", "memory");
  return result;
}

#elif defined(__aarch64__)

__asm__(".text\n"
        ".global guard_entry\n"
        ".hidden guard_entry\n"
        ".type guard_entry, %function\n"
        "guard_entry:\n"
        "  mov x29, #0\n"
        "  mov x30, #0\n"
        "  mov x0, sp\n"
        "  bl guard_start\n");

static long system_call(long number, long first, long second, long third) {
  register long x8 __asm__("x8") = number;
  register long x0 __asm__("x0") = first;
  register long x1 __asm__("x1") = second;
  register long x2 __asm__("x2") = third;
  __asm__ volatile("svc #0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2) : "memory");
  return x0;
}

#else
#error "no entry for this architecture yet"
#endif

static size_t length_of(const char *text) {
  size_t length = 0;
  while (text[length] != '\0') length++;
  return length;
}

static int begins_with(const char *text, const char *start) {
  while (*start != '\0')
    if (*text++ != *start++) return 0;
  return 1;
}

static void join(char *into, const char *first, const char *second) {
  while (*first != '\0') *into++ = *first++;
  while ((*into++ = *second++) != '\0') continue;
}

static __attribute__((noreturn)) void fail(const char *why, int status) {
  (void)system_call(__NR_write, 2, (long)why, (long)length_of(why));
  for (;;) (void)system_call(__NR_exit_group, status, 0, 0);
}

/* The path that the kernel was given: that of this very file. @see getauxval(3) AT_EXECFN */
static const char *own_path(char **environment) {
  while (*environment != NULL) environment++;
  for (const Elf64_auxv_t *entry = (const Elf64_auxv_t *)(environment + 1); entry->a_type != AT_NULL; entry++)
    if (entry->a_type == AT_EXECFN) return (const char *)entry->a_un.a_val;
  return NULL;
}

/* Whatever else would tell ld.so what to load goes. */
static void set_environment(char **into, char **from, char *preload) {
  *into++ = preload;
  for (; *from != NULL; from++)
    if (!begins_with(*from, "LD_") && !begins_with(*from, "GLIBC_TUNABLES=")) *into++ = *from;
  *into = NULL;
}

/* @param stack as the kernel leaves it: argc, argv, NULL, the environment, NULL, the auxiliary vector. */
__attribute__((used, noreturn, visibility("hidden"))) void guard_start(long *stack) {
  size_t count = (size_t)stack[0], variables = 0;
  char **argv = (char **)(stack + 1), **environment = argv + count + 1;
  const char *own = own_path(environment);
  if (count < 2) fail("glusterfs: nothing to do without arguments\n", BAD_USAGE);
  if (own == NULL) fail("glusterfs: the kernel does not say where its guard is\n", NOT_STARTED);
  while (environment[variables] != NULL) variables++;
  char *words[count + 1], *settings[variables + 2];
  char first[sizeof MARK + length_of(argv[1])], preload[sizeof "LD_PRELOAD=" + length_of(own)];
  join(first, MARK, argv[1]);
  join(preload, "LD_PRELOAD=", own);
  for (size_t index = 0; index <= count; index++) words[index] = index == 1 ? first : argv[index];
  set_environment(settings, environment, preload);
  (void)system_call(__NR_execve, (long)GUARDED_PROGRAM, (long)words, (long)settings);
  fail("glusterfs: the program that is guarded, " GUARDED_PROGRAM ", cannot be executed\n", NOT_STARTED);
}
