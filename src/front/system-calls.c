/* The system calls of the front, as the module 'system-calls', which system-calls.d.ts describes; nothing is decided here. */
#define _GNU_SOURCE
#include "kernel-status.h"

#include "system-calls.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#include "apart.h"
#include "close-from.h"
#include "error-texts.h"
#include "guardian.h"
#include "spawn.h"

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 8U
#endif

#define COUNT(array) ((int)(sizeof(array) / sizeof((array)[0])))
#define UNUSED __attribute__((unused))

/* A function of the module; behind the name what it gets beside its arguments. */
#define FUNCTION(name, ...)                                                     \
  static JSValue name(UNUSED JSContext *context, UNUSED JSValueConst this, UNUSED int argc, \
                      UNUSED JSValueConst *argv, ##__VA_ARGS__)

static int own_argc;
static char **own_argv;

static JSValue to_js_result(JSContext *context, long result) {
  return JS_NewInt64(context, result < 0 ? -errno : result);
}

/* A C string of `value`, to be freed with JS_FreeCString; NULL with errno, or with an exception pending. */
static const char *to_c_string(JSContext *context, JSValueConst value) {
  size_t length;
  const char *string = JS_ToCStringLen(context, &length, value);
  if (string == NULL || strlen(string) == length) return string;
  JS_FreeCString(context, string);
  errno = EINVAL;
  return NULL;
}

/* The result of a call whose argument to_c_string() has refused: the exception, or the errno. */
static JSValue c_string_failure(JSContext *context) {
  return JS_HasException(context) ? JS_EXCEPTION : to_js_result(context, -1);
}

static int integer(JSContext *context, JSValueConst value) {
  int32_t number = 0;
  return JS_ToInt32(context, &number, value) == 0 ? number : -1;
}

static JSValue to_js_numbers(JSContext *context, const double *values, int count) {
  JSValue array = JS_NewArray(context);
  for (int i = 0; i < count && !JS_IsException(array); i++) {
    if (JS_SetPropertyUint32(context, array, i, JS_NewFloat64(context, values[i])) >= 0) continue;
    JS_FreeValue(context, array);
    return JS_EXCEPTION;
  }
  return array;
}

static int64_t length_of(JSContext *context, JSValueConst array) {
  int64_t length = -1;
  JSValue value = JS_GetPropertyStr(context, array, "length");
  if (!JS_IsException(value) && JS_ToInt64(context, &length, value) != 0) length = -1;
  JS_FreeValue(context, value);
  return length;
}

/* How many bytes of UTF-8 begin at `bytes`, and in *valid whether they are a character. @see RFC 3629 */
static size_t character(const unsigned char *bytes, size_t length, int *valid) {
  unsigned char first = bytes[0], lowest = 0x80, highest = 0xbf;
  size_t wanted = first < 0x80 ? 1 : first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 0;
  if (first == 0xe0) lowest = 0xa0;
  if (first == 0xed) highest = 0x9f;
  if (first == 0xf0) lowest = 0x90;
  if (first == 0xf4) highest = 0x8f;
  size_t found = 1;
  while (found < wanted && found < length && bytes[found] >= lowest && bytes[found] <= highest) {
    found++;
    lowest = 0x80, highest = 0xbf;
  }
  *valid = found == wanted;
  return found;
}

static int is_ascii(const char *bytes, size_t length) {
  uint64_t all = 0, eight;
  for (; length >= sizeof eight; bytes += sizeof eight, length -= sizeof eight) {
    memcpy(&eight, bytes, sizeof eight);
    all |= eight;
  }
  for (; length > 0; bytes++, length--) all |= (unsigned char)*bytes;
  return (all & 0x8080808080808080) == 0;
}

/* What the kernel gave us as a string. QuickJS takes more for UTF-8 than there is: U+FFFD for it, as in Node and bun. */
static JSValue to_js_string(JSContext *context, const char *bytes, size_t length) {
  static const char replacement[] = "\xef\xbf\xbd";
  const unsigned char *at = (const unsigned char *)bytes;
  size_t invalid = 0;
  if (is_ascii(bytes, length)) return JS_NewStringLen(context, bytes, length);
  int valid;
  for (size_t i = 0; i < length; i += character(at + i, length - i, &valid), invalid += !valid) continue;
  if (invalid == 0) return JS_NewStringLen(context, bytes, length);
  char *copy = js_malloc(context, length + invalid * (sizeof replacement - 1));
  if (copy == NULL) return JS_EXCEPTION;
  size_t written = 0;
  for (size_t i = 0, count; i < length; i += count) {
    count = character(at + i, length - i, &valid);
    size_t size = valid ? count : sizeof replacement - 1;
    memcpy(copy + written, valid ? bytes + i : replacement, size);
    written += size;
  }
  JSValue string = JS_NewStringLen(context, copy, written);
  js_free(context, copy);
  return string;
}

/* QuickJS has memory at hand, where malloc(3) may have to ask the kernel for it and give it back. */
static char *copy_of(JSContext *context, const char *string) {
  size_t size = strlen(string) + 1;
  char *copy = js_malloc_rt(JS_GetRuntime(context), size);
  return copy == NULL ? NULL : memcpy(copy, string, size);
}

static void free_strings(JSContext *context, char **list) {
  for (char **string = list; *string != NULL; string++) js_free(context, *string);
  js_free(context, list);
}

/* The strings of an array, as for execve(2), to be freed with free_strings; NULL as to_c_string() has it. */
static char **to_c_strings(JSContext *context, JSValueConst array) {
  int64_t length = length_of(context, array);
  if (length < 0) return NULL;
  char **list = js_mallocz_rt(JS_GetRuntime(context), ((size_t)length + 1) * sizeof *list);
  for (int64_t i = 0; list != NULL && i < length; i++) {
    JSValue value = JS_GetPropertyUint32(context, array, (uint32_t)i);
    const char *string = JS_IsException(value) ? NULL : to_c_string(context, value);
    list[i] = string == NULL ? NULL : copy_of(context, string);
    JS_FreeValue(context, value);
    if (string != NULL) JS_FreeCString(context, string);
    if (list[i] != NULL) continue;
    int cause = errno;
    free_strings(context, list);
    errno = cause;
    return NULL;
  }
  return list;
}

/* ---- files ---- */

FUNCTION(file_close) {
  return to_js_result(context, close(integer(context, argv[0])));
}

/* From `offset` on, at most `maximum` bytes; of a pipe, what is in it. NULL with errno. */
static char *read_from(JSRuntime *runtime, int fd, off_t offset, size_t maximum, size_t *length) {
  size_t room = maximum < 4096 ? maximum : 4096;
  char *bytes = js_malloc_rt(runtime, room + 1);
  *length = 0;
  while (bytes != NULL && *length < maximum) {
    if (*length == room) {
      room = room * 2 < maximum ? room * 2 : maximum;
      char *larger = js_realloc_rt(runtime, bytes, room + 1);
      if (larger == NULL) js_free_rt(runtime, bytes);
      if ((bytes = larger) == NULL) break;
    }
    ssize_t count = pread(fd, bytes + *length, room - *length, offset + (off_t)*length);
    if (count < 0 && errno == ESPIPE) count = read(fd, bytes + *length, room - *length);
    if (count == 0 || (count < 0 && errno == EAGAIN)) break;
    if (count > 0) *length += (size_t)count;
    else if (errno != EINTR) {
      js_free_rt(runtime, bytes);
      return NULL;
    }
  }
  return bytes;
}

FUNCTION(file_read) {
  int fd = integer(context, argv[0]);
  int64_t offset = 0, maximum = 0;
  if (JS_ToInt64(context, &offset, argv[1]) != 0 || JS_ToInt64(context, &maximum, argv[2]) != 0)
    return JS_EXCEPTION;
  size_t length;
  char *bytes = read_from(JS_GetRuntime(context), fd, offset, (size_t)maximum, &length);
  if (bytes == NULL) return to_js_result(context, -1);
  JSValue result = to_js_string(context, bytes, length);
  js_free(context, bytes);
  return result;
}

/* What we ignore, and what our caller had made of it: the program that takes our place is to find that. */
static struct changed_signal {
  int number, is_changed;
  void (*before)(int);
} changed_signals[] = {{.number = SIGPIPE}, {.number = SIGXFSZ}};

static void ignore_signals(void) {
  for (int i = 0; i < COUNT(changed_signals); i++) {
    struct changed_signal *changed = &changed_signals[i];
    if (!changed->is_changed) changed->before = signal(changed->number, SIG_IGN);
    changed->is_changed = 1;
  }
}

static sigset_t mask_before;
static int is_mask_changed;

static void restore_signals(void) {
  for (int i = 0; i < COUNT(changed_signals); i++) {
    struct changed_signal *changed = &changed_signals[i];
    if (changed->is_changed) (void)signal(changed->number, changed->before);
    changed->is_changed = 0;
  }
  if (is_mask_changed) (void)sigprocmask(SIG_SETMASK, &mask_before, NULL);
}

/*
 * Writes until all is written, waiting for a reader who is slow; the number of bytes. A reader who is gone is an
 * errno and no signal, and so is a limit on the size of files: a mount that succeeded must not end as one that failed.
 */
FUNCTION(file_write) {
  int fd = integer(context, argv[0]);
  size_t length, written = 0;
  const char *bytes = JS_ToCStringLen(context, &length, argv[1]);
  if (bytes == NULL) return JS_EXCEPTION;
  int failed = 0;
  ignore_signals();
  while (written < length && !failed) {
    ssize_t count = write(fd, bytes + written, length - written);
    if (count >= 0) {
      written += (size_t)count;
    } else if (errno == EAGAIN) {
      struct pollfd writable = {.fd = fd, .events = POLLOUT};
      failed = poll(&writable, 1, -1) < 0 && errno != EINTR;
    } else {
      failed = errno != EINTR;
    }
  }
  JSValue result = to_js_result(context, failed ? -1 : (long)written);
  JS_FreeCString(context, bytes);
  return result;
}

/*
 * What is known of a file, as an object that is asked for what is wanted: nobody wants all of it, and to make a
 * property costs more than the kernel's answer.
 */
struct known {
  double device, inode, size, changed_ms, links, mount_id;
  unsigned mode, user, group;
};

/* A number of our own: it has to be the same when the front is built and when it begins. */
static JSClassID known_class = 64;

static void free_known(JSRuntime *runtime, JSValue value) { js_free_rt(runtime, JS_GetOpaque(value, known_class)); }

static const JSClassDef known_definition = {"Known", .finalizer = free_known};

static JSValue to_js_known(JSContext *context, const struct known *known) {
  JSValue value = JS_NewObjectClass(context, (int)known_class);
  struct known *copy = JS_IsException(value) ? NULL : js_malloc(context, sizeof *copy);
  if (copy == NULL) {
    JS_FreeValue(context, value);
    return JS_EXCEPTION;
  }
  *copy = *known;
  JS_SetOpaque(value, copy);
  return value;
}

static const char *kind_of(unsigned mode) {
  switch (mode & S_IFMT) {
    case S_IFDIR: return "directory";
    case S_IFREG: return "file";
    case S_IFLNK: return "symlink";
    case S_IFCHR: case S_IFBLK: return "device";
    default: return "other";
  }
}

enum known_field { KIND, DEVICE, INODE, SIZE, CHANGED_MS, LINKS, MOUNT_ID, MODE, USER, GROUP };

static JSValue known_field(JSContext *context, JSValueConst this, int field) {
  const struct known *known = JS_GetOpaque2(context, this, known_class);
  if (known == NULL) return JS_EXCEPTION;
  switch ((enum known_field)field) {
    case KIND: return JS_NewString(context, kind_of(known->mode));
    case DEVICE: return JS_NewFloat64(context, known->device);
    case INODE: return JS_NewFloat64(context, known->inode);
    case SIZE: return JS_NewFloat64(context, known->size);
    case CHANGED_MS: return JS_NewFloat64(context, known->changed_ms);
    case LINKS: return JS_NewFloat64(context, known->links);
    case MOUNT_ID: return JS_NewFloat64(context, known->mount_id);
    case MODE: return JS_NewInt64(context, known->mode);
    case USER: return JS_NewInt64(context, known->user);
    case GROUP: return JS_NewInt64(context, known->group);
  }
  return JS_UNDEFINED;
}

static const JSCFunctionListEntry known_fields[] = {
    JS_CGETSET_MAGIC_DEF("kind", known_field, NULL, KIND),
    JS_CGETSET_MAGIC_DEF("device", known_field, NULL, DEVICE),
    JS_CGETSET_MAGIC_DEF("inode", known_field, NULL, INODE),
    JS_CGETSET_MAGIC_DEF("size", known_field, NULL, SIZE),
    JS_CGETSET_MAGIC_DEF("changedMs", known_field, NULL, CHANGED_MS),
    JS_CGETSET_MAGIC_DEF("nlink", known_field, NULL, LINKS),
    JS_CGETSET_MAGIC_DEF("mountId", known_field, NULL, MOUNT_ID),
    JS_CGETSET_MAGIC_DEF("mode", known_field, NULL, MODE),
    JS_CGETSET_MAGIC_DEF("uid", known_field, NULL, USER),
    JS_CGETSET_MAGIC_DEF("gid", known_field, NULL, GROUP),
};

/* What all of them have: the fields, and what src/front/known.ts makes of them. */
static JSValue known_prototype(JSContext *context) {
  if (JS_NewClass(JS_GetRuntime(context), known_class, &known_definition) != 0) return JS_EXCEPTION;
  JSValue prototype = JS_NewObject(context);
  if (JS_IsException(prototype)) return prototype;
  JS_SetPropertyFunctionList(context, prototype, known_fields, COUNT(known_fields));
  JS_SetClassProto(context, known_class, JS_DupValue(context, prototype));
  return prototype;
}

static JSValue status_of(JSContext *context, int result, const struct stat *status) {
  if (result != 0) return to_js_result(context, -1);
  const struct known known = {.device = (double)status->st_dev,
                              .inode = (double)status->st_ino,
                              .size = (double)status->st_size,
                              .changed_ms = status->st_ctim.tv_sec * 1e3 + status->st_ctim.tv_nsec / 1e6,
                              .links = (double)status->st_nlink,
                              .mode = status->st_mode,
                              .user = status->st_uid,
                              .group = status->st_gid};
  return to_js_known(context, &known);
}

FUNCTION(file_status) {
  const char *path = to_c_string(context, argv[0]);
  if (path == NULL) return c_string_failure(context);
  struct stat status;
  int flags = JS_ToBool(context, argv[1]) ? 0 : AT_SYMLINK_NOFOLLOW;
  JSValue result = status_of(context, fstatat(AT_FDCWD, path, &status, flags), &status);
  JS_FreeCString(context, path);
  return result;
}

FUNCTION(file_status_open) {
  struct stat status;
  return status_of(context, fstat(integer(context, argv[0]), &status), &status);
}

FUNCTION(file_link) {
  const char *path = to_c_string(context, argv[0]);
  if (path == NULL) return c_string_failure(context);
  char target[4096];
  ssize_t length = readlink(path, target, sizeof target);
  JS_FreeCString(context, path);
  return length < 0 ? to_js_result(context, -1) : to_js_string(context, target, (size_t)length);
}

FUNCTION(file_names) {
  const char *path = to_c_string(context, argv[0]);
  if (path == NULL) return c_string_failure(context);
  DIR *directory = opendir(path);
  JS_FreeCString(context, path);
  if (directory == NULL) return to_js_result(context, -1);
  JSValue array = JS_NewArray(context);
  uint32_t count = 0;
  int failed = JS_IsException(array);
  while (!failed) {
    errno = 0;
    const struct dirent *entry = readdir(directory);
    if (entry == NULL) break;
    if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
    failed = JS_SetPropertyUint32(context, array, count++, to_js_string(context, entry->d_name, strlen(entry->d_name))) < 0;
  }
  int cause = errno;
  (void)closedir(directory);
  if (!failed && cause == 0) return array;
  JS_FreeValue(context, array);
  errno = cause;
  return failed ? JS_EXCEPTION : to_js_result(context, -1);
}

FUNCTION(file_rename) {
  const char *from = to_c_string(context, argv[0]);
  if (from == NULL) return c_string_failure(context);
  const char *to = to_c_string(context, argv[1]);
  JSValue result = to == NULL ? c_string_failure(context) : to_js_result(context, rename(from, to));
  if (to != NULL) JS_FreeCString(context, to);
  JS_FreeCString(context, from);
  return result;
}

/* Whether it is a program that is started without an interpreter, as the front is. @see elf(5) */
FUNCTION(file_is_static) {
  const char *path = to_c_string(context, argv[0]);
  if (path == NULL) return c_string_failure(context);
  int fd = openat(AT_FDCWD, path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  JS_FreeCString(context, path);
  Elf64_Ehdr header;
  Elf64_Phdr part;
  int is_static = pread(fd, &header, sizeof header, 0) == sizeof header && memcmp(header.e_ident, ELFMAG, SELFMAG) == 0 &&
                  header.e_ident[EI_CLASS] == ELFCLASS64 && header.e_phentsize == sizeof part;
  for (int i = 0; is_static && i < header.e_phnum; i++)
    is_static = pread(fd, &part, sizeof part, (off_t)(header.e_phoff + (size_t)i * sizeof part)) == sizeof part &&
                part.p_type != PT_INTERP;
  if (fd >= 0) (void)close(fd);
  return JS_NewBool(context, is_static);
}

static int enter_namespace(const char *file) {
  int namespace = openat(AT_FDCWD, file, O_RDONLY | O_CLOEXEC);
  int result = namespace < 0 ? -1 : setns(namespace, CLONE_NEWNS), cause = errno;
  if (namespace >= 0) (void)close(namespace);
  errno = cause;
  return result;
}

enum path_call { OPEN, UNLINK, MAKE_DIRECTORY, REMOVE_DIRECTORY, CHANGE_MODE, ACCESS, DETACH, ENTER_NAMESPACE };

/* The calls that take a path, and perhaps numbers. */
FUNCTION(path_call, int call) {
  const char *path = to_c_string(context, argv[0]);
  if (path == NULL) return c_string_failure(context);
  int number = argc > 1 ? integer(context, argv[1]) : 0, result = -1;
  switch ((enum path_call)call) {
    case OPEN: result = openat(AT_FDCWD, path, number | O_CLOEXEC, integer(context, argv[2])); break;
    case UNLINK: result = unlink(path); break;
    case MAKE_DIRECTORY: result = mkdir(path, (mode_t)number); break;
    case REMOVE_DIRECTORY: result = rmdir(path); break;
    case CHANGE_MODE: result = chmod(path, (mode_t)number); break;
    case ACCESS: result = access(path, number); break;
    case DETACH: result = umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW); break;
    case ENTER_NAMESPACE: result = enter_namespace(path); break;
  }
  JSValue returned = to_js_result(context, result);
  JS_FreeCString(context, path);
  return returned;
}

/* A file without a name or a directory. It is no program: vm.memfd_noexec may forbid those (Linux 6.3). */
FUNCTION(file_in_memory) {
  int fd = memfd_create("mounter", MFD_CLOEXEC | MFD_NOEXEC_SEAL);
  if (fd < 0 && errno == EINVAL) fd = memfd_create("mounter", MFD_CLOEXEC);
  return to_js_result(context, fd);
}

/* @see fcntl(2) "Open file description locks" */
FUNCTION(file_lock) {
  int64_t offset = 0;
  if (JS_ToInt64(context, &offset, argv[1]) != 0) return JS_EXCEPTION;
  struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = offset, .l_len = 1};
  return to_js_result(context, fcntl(integer(context, argv[0]), F_OFD_SETLK, &lock));
}

FUNCTION(file_lock_whole) {
  return to_js_result(context, flock(integer(context, argv[0]), LOCK_EX | LOCK_NB));
}

FUNCTION(file_change_owner) {
  double user = 0;
  if (JS_ToFloat64(context, &user, argv[1]) != 0) return JS_EXCEPTION;
  return to_js_result(context, fchown(integer(context, argv[0]), (uid_t)user, (gid_t)user));
}

FUNCTION(file_open_at) {
  const char *name = to_c_string(context, argv[1]);
  if (name == NULL) return c_string_failure(context);
  int fd = openat(integer(context, argv[0]), name, integer(context, argv[2]) | O_CLOEXEC, 0600);
  JSValue result = to_js_result(context, fd);
  JS_FreeCString(context, name);
  return result;
}

/* The id of the mount that an open file lies on, where statx(2) does not say it: before Linux 5.8. */
static double mount_id_of(int fd) {
  static const char name[] = "\nmnt_id:";
  char path[64], text[512];
  (void)snprintf(path, sizeof path, "/proc/self/fdinfo/%d", fd);
  int file = openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
  ssize_t length = file < 0 ? -1 : read(file, text, sizeof text - 1);
  if (file >= 0) (void)close(file);
  text[length < 0 ? 0 : length] = '\0';
  const char *found = strstr(text, name);
  return found == NULL ? 0 : (double)strtoul(found + sizeof name - 1, NULL, 10);
}

FUNCTION(file_known_status) {
  struct kernel_statx status;
  int fd = integer(context, argv[0]);
  unsigned flags = AT_EMPTY_PATH | AT_STATX_DONT_SYNC | AT_NO_AUTOMOUNT;
  if (kernel_status(fd, "", flags, STATX_BASIC_STATS | STATX_MNT_ID, &status) != 0) return to_js_result(context, -1);
  int is_told = (status.stx_mask & STATX_MNT_ID) != 0;
  const struct known known = {.device = (double)makedev(status.stx_dev_major, status.stx_dev_minor),
                              .inode = (double)status.stx_ino,
                              .mount_id = is_told ? (double)status.stx_mnt_id : mount_id_of(fd),
                              .mode = status.stx_mode,
                              .user = status.stx_uid,
                              .group = status.stx_gid};
  return to_js_known(context, &known);
}

/* ---- this process, and others ---- */

FUNCTION(process_argument) {
  int index = integer(context, argv[0]);
  if (index < 0 || index >= own_argc) return JS_UNDEFINED;
  return to_js_string(context, own_argv[index], strlen(own_argv[index]));
}

FUNCTION(process_variable) {
  const char *name = to_c_string(context, argv[0]);
  if (name == NULL) return c_string_failure(context);
  const char *value = getenv(name);
  JS_FreeCString(context, name);
  return value == NULL ? JS_UNDEFINED : to_js_string(context, value, strlen(value));
}

FUNCTION(process_take_variable) {
  JSValue value = process_variable(context, this, argc, argv);
  const char *name = to_c_string(context, argv[0]);
  if (name == NULL) return value;
  (void)unsetenv(name);
  JS_FreeCString(context, name);
  return value;
}

FUNCTION(process_id) {
  return JS_NewInt32(context, getpid());
}

FUNCTION(process_user) {
  return JS_NewInt64(context, geteuid());
}

FUNCTION(process_exit) {
  _exit(integer(context, argv[0]));
}

/* The program gets of signals what our caller had made of them. */
FUNCTION(process_replace) {
  const char *path = to_c_string(context, argv[0]);
  if (path == NULL) return c_string_failure(context);
  char **words = JS_IsNumber(argv[1]) ? NULL : to_c_strings(context, argv[1]);
  char **used = JS_IsNumber(argv[1]) ? own_argv + integer(context, argv[1]) : words;
  if (used != NULL) restore_signals();
  JSValue result = used == NULL ? c_string_failure(context) : to_js_result(context, execv(path, used));
  if (words != NULL) free_strings(context, words);
  JS_FreeCString(context, path);
  return result;
}

FUNCTION(process_kill) {
  return to_js_result(context, kill(integer(context, argv[0]), integer(context, argv[1])));
}

/* A property of an array that is a number; -1 where it is none. */
static double number_at(JSContext *context, JSValueConst array, uint32_t index) {
  double number = -1;
  JSValue value = JS_GetPropertyUint32(context, array, index);
  if (JS_IsException(value) || JS_ToFloat64(context, &number, value) != 0) number = -1;
  JS_FreeValue(context, value);
  return number;
}

struct spawn_arguments {
  char **words, **environment;
  const char *root;
  struct child child;
};

/* (argv, environment, root or '', [mount namespace, input, output, notice], [capabilities or -1, user, group]) */
static int read_spawn_arguments(JSContext *context, JSValueConst *argv, struct spawn_arguments *read) {
  *read = (struct spawn_arguments){.words = to_c_strings(context, argv[0])};
  if (read->words != NULL) read->environment = to_c_strings(context, argv[1]);
  if (read->environment != NULL) read->root = to_c_string(context, argv[2]);
  if (read->root == NULL) return -1;
  double capabilities = number_at(context, argv[4], 0);
  if (read->words[0] == NULL) return errno = EINVAL, -1;
  read->child = (struct child){
      .argv = read->words,
      .environment = read->environment,
      .root = read->root,
      .mount_namespace = (int)number_at(context, argv[3], 0),
      .input = (int)number_at(context, argv[3], 1),
      .output = (int)number_at(context, argv[3], 2),
      .notice = (int)number_at(context, argv[3], 3),
      .capabilities = capabilities < 0 ? ALL_CAPABILITIES : (uint64_t)capabilities,
      .user = (uid_t)number_at(context, argv[4], 1),
      .group = (gid_t)number_at(context, argv[4], 2),
  };
  return 0;
}

static void free_spawn_arguments(JSContext *context, const struct spawn_arguments *read) {
  if (read->root != NULL) JS_FreeCString(context, read->root);
  if (read->environment != NULL) free_strings(context, read->environment);
  if (read->words != NULL) free_strings(context, read->words);
}

FUNCTION(process_spawn) {
  struct spawn_arguments read;
  double started[3] = {-1, STEP_FORK, 0};
  if (read_spawn_arguments(context, argv, &read) == 0) {
    const struct spawned spawned = spawn_child(&read.child);
    started[0] = spawned.pid, started[1] = spawned.step, started[2] = spawned.error;
  } else {
    started[2] = errno;
  }
  free_spawn_arguments(context, &read);
  return JS_HasException(context) ? JS_EXCEPTION : to_js_numbers(context, started, COUNT(started));
}

/* (as spawn, then place, [mount namespace, target]): [pid, connection], or [-1, errno]. */
FUNCTION(process_spawn_guarded) {
  struct spawn_arguments read;
  double started[2] = {-1, 0};
  const char *place = NULL;
  if (read_spawn_arguments(context, argv, &read) == 0 && (place = to_c_string(context, argv[5])) != NULL) {
    const struct guarded_mount mount = {.mount_namespace = (int)number_at(context, argv[6], 0),
                                        .place = place,
                                        .target = (int)number_at(context, argv[6], 1)};
    const struct guarded guarded = spawn_guarded(&read.child, &mount);
    started[0] = guarded.pid, started[1] = guarded.pid < 0 ? guarded.error : guarded.connection;
  } else {
    started[1] = errno;
  }
  if (place != NULL) JS_FreeCString(context, place);
  free_spawn_arguments(context, &read);
  return JS_HasException(context) ? JS_EXCEPTION : to_js_numbers(context, started, COUNT(started));
}

FUNCTION(process_pipe) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) return to_js_result(context, -1);
  const double values[] = {ends[0], ends[1]};
  return to_js_numbers(context, values, COUNT(values));
}

FUNCTION(process_drain) {
  char bytes[64];
  return to_js_result(context, read(integer(context, argv[0]), bytes, sizeof bytes));
}

FUNCTION(guard_order) {
  const char *order = to_c_string(context, argv[1]);
  if (order == NULL) return c_string_failure(context);
  JSValue result = to_js_result(context, send(integer(context, argv[0]), order, 1, MSG_NOSIGNAL));
  JS_FreeCString(context, order);
  return result;
}

FUNCTION(guard_end_descendants) {
  end_descendants();
  return JS_UNDEFINED;
}

FUNCTION(guard_report) {
  struct guard_report report;
  ssize_t length = recv(integer(context, argv[0]), &report, sizeof report, MSG_DONTWAIT);
  if (length < 0) return to_js_result(context, -1);
  const double values[] = {report.kind, report.values[0], report.values[1], report.values[2]};
  return to_js_numbers(context, values, length == sizeof report ? COUNT(values) : 0);
}

FUNCTION(process_status) {
  int status = integer(context, argv[0]);
  return JS_NewInt32(context, WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status));
}

/*
 * A FUSE daemon says ENOTCONN, too, while it has lost its servers. GlusterFS's asks none of them for ACLs and labels,
 * unless it was told to keep them, and the kernel asks nobody whether that may be asked. It says ENOTCONN where no daemon
 * is left. What it has a label for tells nothing: it may be its own.
 */
static int has_daemon(void) {
  const char *names[] = {"system.posix_acl_access", "security.selinux"};
  for (int i = 0; i < COUNT(names); i++)
    if (getxattr("/proc/self/fd/3", names[i], NULL, 0) < 0 && errno != ENOTCONN && errno != ECONNABORTED && errno != ENOENT)
      return 1;
  return 0;
}

/* A child with that file as descriptor 3, for what may never come back. Nobody waits for it: it holds nothing else. */
static pid_t fork_with(int fd) {
  pid_t parent = getpid(), pid = fork();
  if (pid != 0) return pid;
  int empty = openat(AT_FDCWD, "/dev/null", O_RDWR | O_CLOEXEC);
  for (int number = 0; number < 3; number++) (void)dup2(empty, number);
  if (dup2(fd, 3) < 0) _exit(errno);
  if (close_from(4) != 0) _exit(errno);
  if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent) _exit(ESRCH);
  return 0;
}

FUNCTION(process_ask) {
  pid_t pid = fork_with(integer(context, argv[0]));
  if (pid != 0) return to_js_result(context, pid);
  struct kernel_statx status;
  if (kernel_status(3, "", AT_EMPTY_PATH | AT_STATX_FORCE_SYNC, STATX_BASIC_STATS, &status) == 0) _exit(0);
  int cause = errno;
  _exit(cause == ENOTCONN && has_daemon() ? 0 : cause);
}

/* [blocks, free, available to users, bytes in a block, inodes, free ones]; whoever serves the filesystem is asked. */
FUNCTION(file_space) {
  struct statfs space;
  if (fstatfs(integer(context, argv[0]), &space) != 0) return to_js_result(context, -1);
  const double values[] = {(double)space.f_blocks, (double)space.f_bfree, (double)space.f_bavail,
                           (double)space.f_frsize, (double)space.f_files,  (double)space.f_ffree};
  return to_js_numbers(context, values, COUNT(values));
}

FUNCTION(process_unmount) {
  const char *name = to_c_string(context, argv[1]);
  if (name == NULL) return c_string_failure(context);
  int flags = integer(context, argv[2]);
  pid_t pid = fork_with(integer(context, argv[0]));
  if (pid == 0) _exit(fchdir(3) == 0 && umount2(name, flags | UMOUNT_NOFOLLOW) == 0 ? 0 : errno);
  JS_FreeCString(context, name);
  return to_js_result(context, pid);
}

/* ---- mounts made apart ---- */

/*
 * ([pinned, proc, file, user], directory, place, file's path, scratch): [namespace, mountinfo], or [-errno, a step of
 * apart.h].
 */
FUNCTION(mounts_make_apart) {
  const char *paths[3] = {NULL};
  double made[2] = {-EINVAL, APART_ENTER};
  int count = 0;
  while (count < COUNT(paths) && (paths[count] = to_c_string(context, argv[count + 1])) != NULL) count++;
  char **scratch = count == COUNT(paths) ? to_c_strings(context, argv[4]) : NULL;
  if (scratch != NULL) {
    const struct apart apart = {.pinned = (int)number_at(context, argv[0], 0),
                                .proc = (int)number_at(context, argv[0], 1),
                                .file = (int)number_at(context, argv[0], 2),
                                .user = (uid_t)number_at(context, argv[0], 3),
                                .directory = paths[0],
                                .place = paths[1],
                                .file_path = paths[2],
                                .scratch = scratch};
    const struct made_apart apart_made = make_apart(&apart);
    made[0] = apart_made.mount_namespace;
    made[1] = made[0] < 0 ? (int)apart_made.step : apart_made.mountinfo;
    free_strings(context, scratch);
  }
  while (count > 0) JS_FreeCString(context, paths[--count]);
  return JS_HasException(context) ? JS_EXCEPTION : to_js_numbers(context, made, COUNT(made));
}

FUNCTION(mounts_copy) {
  const char *place = to_c_string(context, argv[1]);
  if (place == NULL) return c_string_failure(context);
  JSValue result = JS_NewInt32(context, copy_mount(integer(context, argv[0]), place));
  JS_FreeCString(context, place);
  return result;
}

FUNCTION(mounts_clone) {
  return JS_NewInt32(context, clone_mount(integer(context, argv[0]), ""));
}

/* Linux 5.12; the number is the same on every architecture. */
#ifndef SYS_mount_setattr
#define SYS_mount_setattr 442
#endif

/* Of what clone_mount has made: what is mounted below one copy shows in no other. @see struct mount_attr and MOUNT_ATTR_* of <linux/mount.h>, which are the MS_* of mount(2) for these */
FUNCTION(mounts_set_attributes) {
  int tree = integer(context, argv[0]), set = integer(context, argv[1]);
  const struct {
    uint64_t set, cleared, propagation, user_namespace;
  } attributes = {.set = (uint64_t)set, .propagation = MS_PRIVATE};
  long result = syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH, &attributes, sizeof attributes);
  if (result == 0 || errno != ENOSYS) return to_js_result(context, result);
  return JS_NewInt32(context, change_tree(tree, (unsigned long)set));
}

/* Linux 5.2; the numbers are the same on every architecture. @see <linux/mount.h> */
#ifndef SYS_fsopen
#define SYS_fsopen 430
#define SYS_fsconfig 431
#define SYS_fsmount 432
#endif
enum { CLOSE_ON_EXEC = 1, COMMAND_CREATE = 6, NO_SUID = 2, NO_DEVICES = 4, NO_PROGRAMS = 8 };

FUNCTION(mounts_open_sysfs) {
  int filesystem = (int)syscall(SYS_fsopen, "sysfs", CLOSE_ON_EXEC);
  long result = filesystem < 0 ? -1 : syscall(SYS_fsconfig, filesystem, COMMAND_CREATE, NULL, NULL, 0);
  if (result == 0) result = syscall(SYS_fsmount, filesystem, CLOSE_ON_EXEC, NO_SUID | NO_DEVICES | NO_PROGRAMS);
  JSValue answer = to_js_result(context, result);
  if (filesystem >= 0) (void)close(filesystem);
  return answer;
}

FUNCTION(mounts_attach) {
  return JS_NewInt32(context, attach_tree(integer(context, argv[0]), integer(context, argv[1])));
}

FUNCTION(process_reap) {
  int status;
  pid_t ended = waitpid(integer(context, argv[0]), &status, WNOHANG);
  if (ended == 0) return JS_NewInt32(context, -1);
  if (ended < 0) return JS_NewInt32(context, -errno - 1);
  return JS_NewInt32(context, status);
}

/* ---- waiting ---- */

static void awaited_signals(sigset_t *set) {
  const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGCHLD};
  (void)sigemptyset(set);
  for (int i = 0; i < COUNT(signals); i++) (void)sigaddset(set, signals[i]);
}

FUNCTION(signals_open) {
  sigset_t set;
  awaited_signals(&set);
  int fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
  is_mask_changed = fd >= 0 && sigprocmask(SIG_BLOCK, &set, &mask_before) == 0;
  if (fd < 0 || is_mask_changed) return to_js_result(context, fd);
  int cause = errno;
  (void)close(fd);
  errno = cause;
  return to_js_result(context, -1);
}

FUNCTION(signals_read) {
  struct signalfd_siginfo information;
  ssize_t length = read(integer(context, argv[0]), &information, sizeof information);
  return to_js_result(context, length < 0 ? -1 : (long)information.ssi_signo);
}

static JSValue events_of(JSContext *context, const struct pollfd *polled, int64_t count) {
  JSValue array = JS_NewArray(context);
  for (int64_t i = 0; i < count && !JS_IsException(array); i++) {
    if (JS_SetPropertyUint32(context, array, (uint32_t)i, JS_NewInt32(context, polled[i].revents)) >= 0) continue;
    JS_FreeValue(context, array);
    return JS_EXCEPTION;
  }
  return array;
}

FUNCTION(wait_poll) {
  int64_t count = length_of(context, argv[0]);
  if (count < 0) return JS_EXCEPTION;
  /* One more, or none would be no memory either. Freed below. */
  struct pollfd *polled = js_mallocz(context, ((size_t)count + 1) * sizeof *polled);
  if (polled == NULL) return JS_EXCEPTION;
  for (int64_t i = 0; i < count; i++) {
    JSValue fd = JS_GetPropertyUint32(context, argv[0], (uint32_t)i);
    JSValue events = JS_GetPropertyUint32(context, argv[1], (uint32_t)i);
    polled[i] = (struct pollfd){.fd = integer(context, fd), .events = (short)integer(context, events)};
    JS_FreeValue(context, fd);
    JS_FreeValue(context, events);
  }
  int ready = poll(polled, (nfds_t)count, integer(context, argv[2]));
  JSValue result = ready < 0 && errno != EINTR ? to_js_result(context, -1) : events_of(context, polled, count);
  js_free(context, polled);
  return result;
}

enum callback { CALL_ON_START, CALL_ON_IDLE };

struct callbacks system_calls_callbacks;

FUNCTION(wait_callback, int kind) {
  struct callbacks *callbacks = &system_calls_callbacks;
  JSValue *callback = kind == CALL_ON_START ? &callbacks->on_start : &callbacks->on_idle;
  JS_FreeValue(context, *callback);
  *callback = JS_DupValue(context, argv[0]);
  return JS_UNDEFINED;
}

FUNCTION(wait_now) {
  struct timespec now;
  if (clock_gettime(CLOCK_MONOTONIC, &now) != 0) return to_js_result(context, -1);
  return JS_NewFloat64(context, now.tv_sec * 1e3 + now.tv_nsec / 1e6);
}

/* ---- sockets ---- */

static JSValue start_connect(JSContext *context, const void *address, socklen_t length, int family) {
  int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0 || connect(fd, address, length) == 0 || errno == EINPROGRESS) return to_js_result(context, fd);
  int cause = errno;
  (void)close(fd);
  errno = cause;
  return to_js_result(context, -1);
}

FUNCTION(socket_connect) {
  struct sockaddr_in v4 = {.sin_family = AF_INET};
  struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
  const char *address = to_c_string(context, argv[0]);
  if (address == NULL) return c_string_failure(context);
  const char *scope = to_c_string(context, argv[1]);
  v4.sin_port = v6.sin6_port = htons((uint16_t)integer(context, argv[2]));
  JSValue result;
  if (scope == NULL) {
    result = c_string_failure(context);
  } else if (inet_pton(AF_INET, address, &v4.sin_addr) == 1) {
    result = start_connect(context, &v4, sizeof v4, AF_INET);
  } else if (inet_pton(AF_INET6, address, &v6.sin6_addr) == 1) {
    unsigned long number = strtoul(scope, NULL, 10);
    v6.sin6_scope_id = number > 0 ? (uint32_t)number : if_nametoindex(scope);
    result = start_connect(context, &v6, sizeof v6, AF_INET6);
  } else {
    errno = EINVAL;
    result = to_js_result(context, -1);
  }
  if (scope != NULL) JS_FreeCString(context, scope);
  JS_FreeCString(context, address);
  return result;
}

FUNCTION(socket_error) {
  int error = 0;
  socklen_t length = sizeof error;
  if (getsockopt(integer(context, argv[0]), SOL_SOCKET, SO_ERROR, &error, &length) != 0)
    return to_js_result(context, -1);
  return JS_NewInt32(context, -error);
}

/* ---- errors ---- */

FUNCTION(error_names) {
  int error = integer(context, argv[0]);
  const struct error_text unknown = {"EUNKNOWN", "unknown error"};
  int is_known = error > 0 && error < error_texts_count && error_texts[error].name != NULL;
  const struct error_text *text = is_known ? &error_texts[error] : &unknown;
  JSValue array = JS_NewArray(context);
  if (JS_IsException(array)) return array;
  JSValue names[] = {JS_NewString(context, text->name), JS_NewString(context, text->description)};
  int failed = 0;
  for (uint32_t i = 0; i < COUNT(names); i++) failed |= JS_SetPropertyUint32(context, array, i, names[i]) < 0;
  if (!failed) return array;
  JS_FreeValue(context, array);
  return JS_EXCEPTION;
}

/* ---- the module ---- */

static const JSCFunctionListEntry exports[] = {
    /* Some differ between architectures. */
    JS_PROP_INT32_DEF("O_RDONLY", O_RDONLY, 0),
    JS_PROP_INT32_DEF("O_WRONLY", O_WRONLY, 0),
    JS_PROP_INT32_DEF("O_RDWR", O_RDWR, 0),
    JS_PROP_INT32_DEF("O_CREAT", O_CREAT, 0),
    JS_PROP_INT32_DEF("O_EXCL", O_EXCL, 0),
    JS_PROP_INT32_DEF("O_NOCTTY", O_NOCTTY, 0),
    JS_PROP_INT32_DEF("O_APPEND", O_APPEND, 0),
    JS_PROP_INT32_DEF("O_NONBLOCK", O_NONBLOCK, 0),
    JS_PROP_INT32_DEF("O_DIRECTORY", O_DIRECTORY, 0),
    JS_PROP_INT32_DEF("O_NOFOLLOW", O_NOFOLLOW, 0),
    JS_PROP_INT32_DEF("O_PATH", O_PATH, 0),
    JS_PROP_INT32_DEF("X_OK", X_OK, 0),
    JS_PROP_INT32_DEF("ENOENT", ENOENT, 0),
    JS_PROP_INT32_DEF("ENOTDIR", ENOTDIR, 0),
    JS_PROP_INT32_DEF("ELOOP", ELOOP, 0),
    JS_PROP_INT32_DEF("ESRCH", ESRCH, 0),
    JS_PROP_INT32_DEF("EINVAL", EINVAL, 0),
    JS_CFUNC_MAGIC_DEF("open", 3, path_call, OPEN),
    JS_CFUNC_DEF("close", 1, file_close),
    JS_CFUNC_DEF("read", 3, file_read),
    JS_CFUNC_DEF("write", 2, file_write),
    JS_CFUNC_DEF("stat", 2, file_status),
    JS_CFUNC_DEF("fstat", 1, file_status_open),
    JS_CFUNC_DEF("readlink", 1, file_link),
    JS_CFUNC_DEF("readdir", 1, file_names),
    JS_CFUNC_DEF("rename", 2, file_rename),
    JS_CFUNC_MAGIC_DEF("unlink", 1, path_call, UNLINK),
    JS_CFUNC_MAGIC_DEF("mkdir", 2, path_call, MAKE_DIRECTORY),
    JS_CFUNC_MAGIC_DEF("rmdir", 1, path_call, REMOVE_DIRECTORY),
    JS_CFUNC_MAGIC_DEF("chmod", 2, path_call, CHANGE_MODE),
    JS_CFUNC_MAGIC_DEF("access", 2, path_call, ACCESS),
    JS_CFUNC_DEF("openMemory", 0, file_in_memory),
    JS_CFUNC_DEF("isStatic", 1, file_is_static),
    JS_CFUNC_DEF("openAt", 3, file_open_at),
    JS_CFUNC_DEF("changeOwner", 2, file_change_owner),
    JS_CFUNC_DEF("knownStatus", 1, file_known_status),
    JS_CFUNC_DEF("lock", 2, file_lock),
    JS_CFUNC_DEF("flock", 1, file_lock_whole),
    JS_CFUNC_DEF("argument", 1, process_argument),
    JS_CFUNC_DEF("variable", 1, process_variable),
    JS_CFUNC_DEF("takeVariable", 1, process_take_variable),
    JS_CFUNC_DEF("getpid", 0, process_id),
    JS_CFUNC_DEF("geteuid", 0, process_user),
    JS_CFUNC_DEF("exit", 1, process_exit),
    JS_CFUNC_DEF("replace", 2, process_replace),
    JS_CFUNC_DEF("kill", 2, process_kill),
    JS_CFUNC_DEF("spawn", 5, process_spawn),
    JS_CFUNC_DEF("spawnGuarded", 7, process_spawn_guarded),
    JS_CFUNC_DEF("pipe", 0, process_pipe),
    JS_CFUNC_DEF("drain", 1, process_drain),
    JS_CFUNC_DEF("order", 2, guard_order),
    JS_CFUNC_DEF("report", 1, guard_report),
    JS_CFUNC_DEF("endDescendants", 0, guard_end_descendants),
    JS_CFUNC_DEF("statusOf", 1, process_status),
    JS_CFUNC_DEF("ask", 1, process_ask),
    JS_CFUNC_DEF("unmount", 3, process_unmount),
    JS_CFUNC_DEF("space", 1, file_space),
    JS_CFUNC_MAGIC_DEF("enterNamespace", 1, path_call, ENTER_NAMESPACE),
    JS_CFUNC_DEF("makeApart", 5, mounts_make_apart),
    JS_CFUNC_DEF("copyMount", 2, mounts_copy),
    JS_CFUNC_DEF("cloneMount", 1, mounts_clone),
    JS_CFUNC_DEF("setMountAttributes", 2, mounts_set_attributes),
    JS_CFUNC_DEF("openSysfs", 0, mounts_open_sysfs),
    JS_CFUNC_DEF("attachMount", 2, mounts_attach),
    JS_CFUNC_MAGIC_DEF("detachMount", 1, path_call, DETACH),
    JS_CFUNC_DEF("reap", 1, process_reap),
    JS_CFUNC_DEF("openSignals", 0, signals_open),
    JS_CFUNC_DEF("readSignal", 1, signals_read),
    JS_CFUNC_DEF("poll", 3, wait_poll),
    JS_CFUNC_MAGIC_DEF("onStart", 1, wait_callback, CALL_ON_START),
    JS_CFUNC_MAGIC_DEF("onIdle", 1, wait_callback, CALL_ON_IDLE),
    JS_CFUNC_DEF("now", 0, wait_now),
    JS_CFUNC_DEF("connect", 3, socket_connect),
    JS_CFUNC_DEF("socketError", 1, socket_error),
    JS_CFUNC_DEF("errorNames", 1, error_names),
};

static int add_exports(JSContext *context, JSModuleDef *module) {
  JSValue prototype = known_prototype(context);
  if (JS_IsException(prototype) || JS_SetModuleExport(context, module, "knownPrototype", prototype) != 0) return -1;
  return JS_SetModuleExportList(context, module, exports, COUNT(exports));
}

JSModuleDef *system_calls_module(JSContext *context, const char *name) {
  JSModuleDef *module = JS_NewCModule(context, name, add_exports);
  if (module == NULL || JS_AddModuleExport(context, module, "knownPrototype") != 0) return NULL;
  return JS_AddModuleExportList(context, module, exports, COUNT(exports)) == 0 ? module : NULL;
}

void system_calls_begin(int argc, char **argv) {
  own_argc = argc;
  own_argv = argv;
}
