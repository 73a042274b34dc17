/*
 * compile LIST FILE...
 *
 * Prints C with the bytecode of each FILE, an ES module, under its name without directories: what engine.c loads, as the
 * array LIST. In a section of its own: with it or without, the front's objects are linked to the same addresses.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "quickjs.h"

static void fail(const char *subject, const char *cause) {
  (void)fprintf(stderr, "compile: %s: %s\n", subject, cause);
  exit(2);
}

static const char *base_name(const char *path) {
  const char *slash = strrchr(path, '/');
  return slash == NULL ? path : slash + 1;
}

static char *read_file(const char *path, size_t *length) {
  FILE *file = fopen(path, "rb");
  if (file == NULL || fseek(file, 0, SEEK_END) != 0) fail(path, "cannot be read");
  long size = ftell(file);
  rewind(file);
  char *text = size < 0 ? NULL : malloc((size_t)size + 1);
  if (text == NULL || fread(text, 1, (size_t)size, file) != (size_t)size) fail(path, "cannot be read");
  (void)fclose(file);
  text[size] = '\0';
  *length = (size_t)size;
  return text;
}

static int export_nothing(JSContext *context, JSModuleDef *module) {
  (void)context, (void)module;
  return 0;
}

/* What a module imports is looked for when the program runs. */
static JSModuleDef *stand_in(JSContext *context, const char *name, void *opaque) {
  (void)opaque;
  return JS_NewCModule(context, name, export_nothing);
}

static void compile(JSContext *context, const char *path, int number) {
  size_t source_length, length;
  char *source = read_file(path, &source_length);
  JSValue module = JS_Eval(context, source, source_length, base_name(path),
                           JS_EVAL_TYPE_MODULE | JS_EVAL_FLAG_COMPILE_ONLY);
  uint8_t *bytes =
      JS_IsException(module) ? NULL : JS_WriteObject(context, &length, module, JS_WRITE_OBJ_BYTECODE);
  if (bytes == NULL) {
    const char *message = JS_ToCString(context, JS_GetException(context));
    fail(path, message == NULL ? "cannot be compiled" : message);
  }
  (void)printf("IN_SECTION static const uint8_t chunk_%d[] = {", number);
  for (size_t i = 0; i < length; i++) (void)printf(i % 32 == 0 ? "\n%d," : "%d,", bytes[i]);
  (void)printf("};\n");
  js_free(context, bytes);
  JS_FreeValue(context, module);
  free(source);
}

int main(int argc, char **argv) {
  JSRuntime *runtime = JS_NewRuntime();
  JSContext *context = runtime == NULL ? NULL : JS_NewContext(runtime);
  if (context == NULL) fail("QuickJS", "out of memory");
  JS_SetStripInfo(runtime, JS_STRIP_DEBUG);
  JS_SetModuleLoaderFunc(runtime, NULL, stand_in, NULL);
  (void)printf("#include \"chunks.h\"\n#define IN_SECTION __attribute__((section(\"bytecode\")))\n");
  if (argc < 2) fail("LIST", "is missing");
  for (int i = 2; i < argc; i++) compile(context, argv[i], i);
  for (int i = 2; i < argc; i++)
    (void)printf("IN_SECTION static const char name_%d[] = \"%s\";\n", i, base_name(argv[i]));
  (void)printf("IN_SECTION const struct chunk %s[] = {\n", argv[1]);
  for (int i = 2; i < argc; i++) (void)printf("{name_%d, chunk_%d, sizeof chunk_%d},\n", i, i, i);
  (void)printf("{NULL, NULL, 0}};\n");
  return fflush(stdout) == 0 ? 0 : 2;
}
