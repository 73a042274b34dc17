/*
 * The front's own main: QuickJS with what our sources use of the language, the modules that scripts/front
 * compiled them to, and the loop. No libc of QuickJS's own (std, os, workers): system-calls.c is smaller.
 */
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "arena.h"
#include "chunks.h"
#include "quickjs.h"
#include "system-calls.h"

/* Of src/exit-codes.ts */
enum { EXIT_SYSTEM = 2, EXIT_INTERNAL = 4 };

/* A call is over before there is much to collect. */
#define COLLECT_BYTES (4 * 1024 * 1024)

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
 * file of ours would be written to as stderr (what is opened in their place can't be written to: a result that is lost
 * is told); SIGCHLD ignored, so that the end of a child is never told; limits.
 */
static void put_right_what_is_inherited(void) {
  int fd;
  do fd = open("/dev/null", O_RDONLY);
  while (fd >= 0 && fd <= STDERR_FILENO);
  if (fd >= 0) (void)close(fd);
  (void)signal(SIGCHLD, SIG_DFL);
  (void)umask(022);
  raise_limit(RLIMIT_FSIZE, RLIM_INFINITY);
  raise_limit(RLIMIT_AS, RLIM_INFINITY);
  raise_limit(RLIMIT_DATA, RLIM_INFINITY);
  raise_limit(RLIMIT_CPU, RLIM_INFINITY);
  /* As every login has it: the full executable ends within 100 KiB. */
  raise_limit(RLIMIT_STACK, 8 * 1024 * 1024);
  raise_limit(RLIMIT_NOFILE, 1024);
  /* Root has none, but a daemon that is a user of its own: all of them together, and whoever else is that user. */
  raise_limit(RLIMIT_NPROC, RLIM_INFINITY);
}

static int fail(JSContext *context) {
  JSValue error = JS_GetException(context);
  const char *message = JS_ToCString(context, error);
  const char *words[] = {"mounter: internal error: ", message == NULL ? "out of memory" : message,
                         "\nhint: please report it, with this line and what mounter report FILE writes\n"};
  struct iovec parts[3];
  for (int i = 0; i < 3; i++) parts[i] = (struct iovec){(void *)words[i], strlen(words[i])};
  /* Where nobody hears it there is nothing else to be done. */
  if (writev(STDERR_FILENO, parts, 3) < 0) return EXIT_INTERNAL;
  return EXIT_INTERNAL;
}

/*
 * The modules as scripts/front compiled them: those that memory holds when a program begins that was started before,
 * which are not there then; and those that are loaded when they are asked for.
 */
extern const struct chunk loaded_first[] __attribute__((weak));
extern const struct chunk loaded_later[] __attribute__((weak));

/*
 * scripts/front/save.c, in the program that starts what another one will begin with. By a pointer: a call that far would
 * take code that the other one has not.
 */
extern int save_started(const struct starting *) __attribute__((weak));
static int (*const volatile save)(const struct starting *) = save_started;

static const struct chunk *find_chunk(const struct chunk *list, const char *name) {
  for (; list != NULL && list->name != NULL; list++)
    if (strcmp(list->name, name) == 0) return list;
  return NULL;
}

static JSModuleDef *load_module(JSContext *context, const char *name, void *opaque) {
  (void)opaque;
  if (strcmp(name, "system-calls") == 0) return system_calls_module(context, name);
  const struct chunk *chunk = find_chunk(loaded_first, name);
  if (chunk == NULL) chunk = find_chunk(loaded_later, name);
  if (chunk == NULL) {
    (void)JS_ThrowReferenceError(context, "there is no module %s", name);
    return NULL;
  }
  JSValue module = JS_ReadObject(context, chunk->bytes, chunk->length, JS_READ_OBJ_BYTECODE);
  if (JS_IsException(module)) return NULL;
  JSModuleDef *definition = JS_VALUE_GET_PTR(module);
  JS_FreeValue(context, module);
  return definition;
}

/* In the place of import(), which needs to know in which file it stands. */
static JSValue load_later(JSContext *context, JSValueConst this, int argc, JSValueConst *argv) {
  (void)this, (void)argc;
  const char *name = JS_ToCString(context, argv[0]);
  if (name == NULL) return JS_EXCEPTION;
  JSValue loaded = JS_LoadModule(context, "main.js", name);
  JS_FreeCString(context, name);
  return loaded;
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
  JSValue global = JS_GetGlobalObject(context);
  (void)JS_SetPropertyStr(context, global, "loadModule", JS_NewCFunction(context, load_later, "loadModule", 1));
  JS_FreeValue(context, global);
  JS_SetGCThreshold(runtime, COLLECT_BYTES);
  JS_SetModuleLoaderFunc(runtime, NULL, load_module, NULL);
  return context;
}

/* Everything that can be done at once; the status when that failed. */
static int do_jobs(JSRuntime *runtime) {
  JSContext *failed;
  int jobs;
  do jobs = JS_ExecutePendingJob(runtime, &failed);
  while (jobs > 0);
  return jobs < 0 ? fail(failed) : 0;
}

static int load(JSContext *context, const char *name) {
  JSValue loaded = JS_LoadModule(context, NULL, name);
  int status = JS_IsException(loaded) ? fail(context) : do_jobs(JS_GetRuntime(context));
  if (status == 0 && JS_PromiseState(context, loaded) == JS_PROMISE_REJECTED) {
    (void)JS_Throw(context, JS_PromiseResult(context, loaded));
    status = fail(context);
  }
  JS_FreeValue(context, loaded);
  return status;
}

static int start_engine(struct started *started) {
  started->runtime = JS_NewRuntime2(&arena_functions, NULL);
  started->context = new_context(started->runtime);
  if (started->context != NULL) return 0;
  static const char words[] = "mounter: out of memory\nhint: see what uses the memory of this node\n";
  return write(STDERR_FILENO, words, sizeof words - 1) < 0 ? EXIT_INTERNAL : EXIT_SYSTEM;
}

/* The one that the program begins with first. */
static int load_modules(struct started *started) {
  system_calls_callbacks = (struct callbacks){JS_UNDEFINED, JS_UNDEFINED};
  int status = load(started->context, "main.js");
  for (const struct chunk *chunk = loaded_first; chunk->name != NULL && status == 0; chunk++)
    status = load(started->context, chunk->name);
  started->callbacks = system_calls_callbacks;
  return status;
}

static const struct starting starting = {arena_begin, start_engine, load_modules, arena_end};

static int call_back(JSContext *context, JSValueConst callback) {
  JSValue result = JS_IsUndefined(callback) ? callback : JS_Call(context, callback, JS_UNDEFINED, 0, NULL);
  if (JS_IsException(result)) return fail(context);
  JS_FreeValue(context, result);
  return do_jobs(JS_GetRuntime(context));
}

int main(int argc, char **argv) {
  if (save != NULL) return save(&starting);
  put_right_what_is_inherited();
  system_calls_begin(argc, argv);
  struct started here, *started = started_before();
  if (started == NULL) {
    started = &here;
    int status = start_engine(started);
    if (status == 0) status = load_modules(started);
    if (status != 0) return status;
  }
  system_calls_callbacks = started->callbacks;
  JS_UpdateStackTop(started->runtime);
  /* The program ends the process; a status is one of something that failed. */
  int status = call_back(started->context, system_calls_callbacks.on_start);
  while (status == 0) status = call_back(started->context, system_calls_callbacks.on_idle);
  return status;
}
