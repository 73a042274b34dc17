/*
 * What stands before libc's own functions. What glusterfs asks for by its server's word, code to load and commands to
 * run, is refused with a line in the mount's log, whatever its level.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "guard.h"

#define EXPORTED __attribute__((visibility("default")))
#define COUNT(array) (sizeof(array) / sizeof *(array))

/* By the version that every glibc has: the default one of a newer glibc would be missing in an older rootfs. */
#if defined(__x86_64__)
__asm__(".symver dlsym, dlsym@GLIBC_2.2.5");
#elif defined(__aarch64__)
__asm__(".symver dlsym, dlsym@GLIBC_2.17");
#endif

/* libglusterfs's, the same in 3.x to 11. */
extern int _gf_log(const char *domain, const char *file, const char *function, int line, int level,
                   const char *format, ...) __attribute__((weak, format(printf, 6, 7)));
#define GF_LOG_CRITICAL 3

static void *(*real_dlopen)(const char *, int);

void find_real_functions(void) {
  *(void **)&real_dlopen = dlsym(RTLD_NEXT, "dlopen");
  if (real_dlopen == NULL) abort();
}

/* What the server wrote may hold line breaks, and lines of the log that glusterfs never wrote. */
static const char *printable(const char *text, char *into, size_t size) {
  size_t length = 0;
  for (; text[length] != '\0' && length < size - 1; length++)
    into[length] = text[length] >= ' ' && text[length] <= '~' ? text[length] : '?';
  into[length] = '\0';
  return into;
}

static void log_refusal(const char *what, const char *text) {
  char shown[160];
  if (_gf_log == NULL) return;
  (void)_gf_log("mounter", "glusterfs-guard", "refuse", __LINE__, GF_LOG_CRITICAL, "refused by mounter: %s: %s", what,
                printable(text, shown, sizeof shown));
}

/*
 * The translators of a client, of glusterfs 3.x to 11, below its own directory. A directory's name stands for all in
 * it: none of those reads, writes or connects to a path of a volume's description. What serves a brick is not here:
 * storage/posix would show the files of this node as the volume, protocol/server and features/changelog make sockets.
 */
static const char *const translators[] = {
    "xlator/cluster/",
    "xlator/debug/",
    "xlator/performance/",
    "xlator/features/access-control.so",
    "xlator/features/cdc.so",
    "xlator/features/cloudsync.so",
    "xlator/features/gfid-access.so",
    "xlator/features/leases.so",
    "xlator/features/locks.so",
    "xlator/features/mac-compat.so",
    "xlator/features/namespace.so",
    "xlator/features/quiesce.so",
    "xlator/features/read-only.so",
    "xlator/features/sdfs.so",
    "xlator/features/selinux.so",
    "xlator/features/shard.so",
    "xlator/features/snapview-client.so",
    "xlator/features/upcall.so",
    "xlator/features/utime.so",
    "xlator/features/worm.so",
    "xlator/meta.so",
    "xlator/protocol/client.so",
    "xlator/system/posix-acl.so",
    "rpc-transport/socket.so",
    "rpc-transport/rdma.so",
};

/* Loaded by glusterfs itself, before it knows a volume. From a description it would mount anywhere, and dump there. */
static const char mount_translator[] = "xlator/mount/fuse.so";

/* The text behind `start`, or NULL. */
static const char *behind(const char *text, const char *start) {
  const size_t length = strlen(start);
  return text != NULL && strncmp(text, start, length) == 0 ? text + length : NULL;
}

static const char *behind_component(const char *text) {
  const char *slash = text == NULL ? NULL : strchr(text, '/');
  return slash == NULL || slash == text || *text == '.' ? NULL : slash + 1;
}

/*
 * What stands behind glusterfs's own directory, /usr/lib/[TRIPLET/]glusterfs/VERSION/. It is compared word for word
 * and ends in a name of the list, so no way leads out of it; what lies there is the image's.
 */
static const char *within_own_directory(const char *file) {
  const char *libraries = behind(file, "/usr/lib64/");
  if (libraries == NULL) libraries = behind(file, "/usr/lib/");
  const char *own = behind(libraries, "glusterfs/");
  if (own == NULL) own = behind(behind_component(libraries), "glusterfs/");
  return behind_component(own);
}

static int is_listed(const char *name) {
  for (size_t index = 0; index < COUNT(translators); index++) {
    const char *listed = translators[index], *rest = behind(name, listed);
    if (rest == NULL) continue;
    if (listed[strlen(listed) - 1] != '/') return *rest == '\0';
    return *rest != '.' && strchr(rest, '/') == NULL;
  }
  return 0;
}

static int may_load(const char *file) {
  static atomic_flag has_mounted = ATOMIC_FLAG_INIT;
  const char *name = within_own_directory(file);
  if (name == NULL) return 0;
  if (strcmp(name, mount_translator) == 0) return !atomic_flag_test_and_set(&has_mounted);
  return is_listed(name);
}

/* A name without a slash is looked for among the libraries of the image: no server gives such a one. */
EXPORTED void *dlopen(const char *file, int flags) {
  if (file == NULL || strchr(file, '/') == NULL || may_load(file)) return real_dlopen(file, flags);
  log_refusal("the volume asks for code that is not a GlusterFS client's", file);
  /* It fails, and dlerror(3) tells of it. */
  return real_dlopen("/dev/null/refused by mounter", flags);
}

/* The rules of confine.c would refuse its program; this one says so. */
EXPORTED FILE *popen(const char *command, const char *type) {
  (void)type;
  log_refusal("the volume asks to run a command", command);
  errno = EPERM;
  return NULL;
}

/*
 * glusterfs 11 takes what stands behind the last colon of a server's name for its port, and so the end of an IPv6 address:
 * it would ask another server than was named. @see gf_set_volfile_server_common() of libglusterfs/src/common-utils.c
 */
EXPORTED char *rindex(const char *text, int wanted) {
  const char *colon = wanted == ':' ? strchr(text, ':') : NULL;
  if (colon != NULL && strchr(colon + 1, ':') != NULL) return NULL;
  return strrchr(text, wanted);
}

/*
 * Of an abstract name anybody may be the owner. libtirpc 1.3.5 and newer look for rpcbind at @/run/rpcbind.sock first, and
 * would have rpc.statd wait for an answer there for minutes; refused, they go on to /run/rpcbind.sock, which is root's.
 * @see unix(7); local_rpcb() of libtirpc/src/rpcb_clnt.c
 */
EXPORTED int connect(int socket, const struct sockaddr *address, socklen_t length) {
  const char *name = ((const struct sockaddr_un *)address)->sun_path;
  if (length > offsetof(struct sockaddr_un, sun_path) && address->sa_family == AF_UNIX && *name == '\0') {
    errno = ECONNREFUSED;
    return -1;
  }
  return (int)syscall(SYS_connect, socket, address, length);
}
