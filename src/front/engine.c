/*
 * The front's own main: QuickJS with what our sources use of the language, the modules that scripts/front
 * compiled them to, and the loop. No libc of QuickJS's own (std, os, workers): system-calls.c is smaller.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "chunks.h"
#include "quickjs.h"
#include "system-calls.h"

/* Of src/exit-codes.ts */
enum { EXIT_SYSTEM = 2, EXIT_INTERNAL = 4 };

/* A call is over before there is much to collect. */
#define COLLECT_BYTES (4 * 1024 * 1024)

static int own_argc;
static char **own_argv;

/* A limit on what a process may use is for another program than a mount; the hard one is root's to raise. */
static void raise_limit(int resource, rlim_t least) {
  struct rlimit limit;
  if (getrlimit(resource, &limit) != 0 || limit.rlim_cur >= least) return;
  const struct rlimit wanted = {least, limit.rlim_max < least ? least : limit.rlim_max};
  const struct rlimit possible = {limit.rlim_max < least ? limit.rlim_max : least, limit.rlim_max};
  if (setrlimit(resource, &wanted) != 0) (void)setrlimit(resource, &possible);
}

/*
 * What a caller leaves to its children is not always what a program expects: descriptors 0 to 2 closed, so that a
 * file of ours would be written to as stderr; SIGCHLD ignored, so that the end of a child is never told; limits.
 */
static void put_right_what_is_inherited(void) {
  int fd;
  do fd = open("/dev/null", O_RDWR);
  while (fd >= 0 && fd <= STDERR_FILENO);
  if (fd >= 0) (void)close(fd);
  (void)signal(SIGCHLD, SIG_DFL);
  (void)umask(022);
  raise_limit(RLIMIT_FSIZE, RLIM_INFINITY);
  raise_limit(RLIMIT_AS, RLIM_INFINITY);
  raise_limit(RLIMIT_DATA, RLIM_INFINITY);
  raise_limit(RLIMIT_CPU, RLIM_INFINITY);
  raise_limit(RLIMIT_NOFILE, 1024);
  /* Root has none, but a daemon that is a user of its own: all of them together, and whoever else is that user. */
  raise_limit(RLIMIT_NPROC, RLIM_INFINITY);
}

static int fail(JSContext *context) {
  JSValue error = JS_GetException(context);
  const char *message = JS_ToCString(context, error);
  (void)fprintf(stderr, "mounter: internal error: %s\nhint: please report it, with the command and this line\n",
                message == NULL ? "out of memory" : message);
  return EXIT_INTERNAL;
}

static JSValue read_chunk(JSContext *context, const char *name) {
  for (const struct chunk *chunk = chunks; chunk->name != NULL; chunk++)
    if (strcmp(chunk->name, name) == 0)
      return JS_ReadObject(context, chunk->bytes, chunk->length, JS_READ_OBJ_BYTECODE);
  return JS_ThrowReferenceError(context, "there is no module %s", name);
}

static JSModuleDef *load_module(JSContext *context, const char *name, void *opaque) {
  (void)opaque;
  if (strcmp(name, "system-calls") == 0) return system_calls_module(context, name, own_argc, own_argv);
  JSValue module = read_chunk(context, name);
  if (JS_IsException(module)) return NULL;
  JSModuleDef *definition = JS_VALUE_GET_PTR(module);
  JS_FreeValue(context, module);
  return definition;
}

static JSContext *new_context(JSRuntime *runtime) {
  JSContext *context = runtime == NULL ? NULL : JS_NewContextRaw(runtime);
  if (context == NULL) return NULL;
  JS_AddIntrinsicBaseObjects(context);
  JS_AddIntrinsicDate(context);
  JS_AddIntrinsicRegExpCompiler(context);
  JS_AddIntrinsicRegExp(context);
  JS_AddIntrinsicJSON(context);
  JS_AddIntrinsicMapSet(context);
  JS_AddIntrinsicPromise(context);
  return context;
}

/* Everything that can be done at once, then whatever the program waits for, until it ends the process. */
static int loop(JSRuntime *runtime, JSContext *context) {
  for (;;) {
    JSContext *failed;
    int jobs;
    do jobs = JS_ExecutePendingJob(runtime, &failed);
    while (jobs > 0);
    if (jobs < 0) return fail(failed);
    JSValue result = JS_Call(context, system_calls_on_idle(), JS_UNDEFINED, 0, NULL);
    if (JS_IsException(result)) return fail(context);
    JS_FreeValue(context, result);
  }
}

int main(int argc, char **argv) {
  own_argc = argc;
  own_argv = argv;
  put_right_what_is_inherited();
  JSRuntime *runtime = JS_NewRuntime();
  JSContext *context = new_context(runtime);
  if (context == NULL) {
    (void)fputs("mounter: out of memory\nhint: see what uses the memory of this node\n", stderr);
    return EXIT_SYSTEM;
  }
  JS_SetGCThreshold(runtime, COLLECT_BYTES);
  JS_SetModuleLoaderFunc(runtime, NULL, load_module, NULL);
  JSValue module = read_chunk(context, "main.js");
  if (JS_IsException(module) || JS_ResolveModule(context, module) != 0) return fail(context);
  JSValue evaluated = JS_EvalFunction(context, module);
  if (JS_IsException(evaluated)) return fail(context);
  if (JS_PromiseState(context, evaluated) == JS_PROMISE_REJECTED) {
    (void)JS_Throw(context, JS_PromiseResult(context, evaluated));
    return fail(context);
  }
  return loop(runtime, context);
}
