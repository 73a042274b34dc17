#define _GNU_SOURCE
#include "kernel-status.h"

#include "apart.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* Linux 5.2; C libraries have had them since 2022. The numbers are the same on every architecture. */
#ifndef OPEN_TREE_CLONE
#define OPEN_TREE_CLONE 1
#define OPEN_TREE_CLOEXEC O_CLOEXEC
#define MOVE_MOUNT_F_EMPTY_PATH 0x04
#define MOVE_MOUNT_T_EMPTY_PATH 0x40
#endif

/* As many directories as a path can name, and a log file that is mounted there. */
static const char few[] = "mode=0755,size=64k,nr_inodes=4096";

/* What daemons write beside their logs. */
static const char scratch_options[] = "mode=0755,size=4m,nr_inodes=1024,uid=%u,gid=%u";

int clone_mount(int directory, const char *path) {
  unsigned flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_SYMLINK_NOFOLLOW | (*path == '\0' ? AT_EMPTY_PATH : 0);
  int tree = (int)syscall(SYS_open_tree, directory, path, flags);
  return tree < 0 ? -errno : tree;
}

int attach_tree(int tree, int target) {
  unsigned flags = MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH;
  return syscall(SYS_move_mount, tree, "", target, "", flags) == 0 ? 0 : -errno;
}

/* ---- in a namespace, by a child for which we wait ---- */

struct visit {
  int mount_namespace;
  int (*act)(void *argument);
  void *argument;
  sigset_t alarm;
  /* Of `act`, or -errno of what came before. */
  int result;
};

/* What is done there asks no server, unless one has said that its directory is no more: that one may never answer. */
#define VISIT_SECONDS 10

static int go(void *argument) {
  struct visit *visit = argument;
  (void)signal(SIGALRM, SIG_DFL);
  (void)sigprocmask(SIG_UNBLOCK, &visit->alarm, NULL);
  (void)alarm(VISIT_SECONDS);
  if (setns(visit->mount_namespace, CLONE_NEWNS) == 0) visit->result = visit->act(visit->argument);
  else visit->result = -errno;
  _exit(0);
}

/*
 * Runs `act` in a mount namespace. The child has our memory and our descriptors, and its own root and working
 * directory: so we are in no other namespace ever, whatever fails. Killed, it leaves nothing but descriptors.
 */
static int in_namespace(int mount_namespace, int (*act)(void *), void *argument) {
  static char stack[64 * 1024] __attribute__((aligned(64)));
  struct visit visit = {.mount_namespace = mount_namespace, .act = act, .argument = argument, .result = -EINTR};
  (void)sigemptyset(&visit.alarm);
  (void)sigaddset(&visit.alarm, SIGALRM);
  /* No signal tells of its end: nobody else is to take it for a helper. */
  pid_t pid = clone(go, stack + sizeof stack, CLONE_VM | CLONE_VFORK | CLONE_FILES, &visit);
  if (pid < 0) return -errno;
  int status = 0;
  while (waitpid(pid, &status, __WALL) < 0 && errno == EINTR) continue;
  return WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM ? -ETIMEDOUT : visit.result;
}

/* mkdir -p; what is there is no error. */
static int make_directories(const char *path) {
  char way[PATH_MAX];
  size_t length = strlen(path);
  if (length >= sizeof way) return errno = ENAMETOOLONG, -1;
  memcpy(way, path, length + 1);
  for (char *slash = way + 1; (slash = strchr(slash, '/')) != NULL; *slash++ = '/') {
    *slash = '\0';
    if (mkdir(way, 0755) != 0 && errno != EEXIST) return -1;
  }
  return mkdir(way, 0755) == 0 || errno == EEXIST ? 0 : -1;
}

static int mount_empty(const char *directory, const char *options) {
  return mount("tmpfs", directory, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, options);
}

static int lay_scratch(const struct apart *apart) {
  char options[128];
  (void)snprintf(options, sizeof options, scratch_options, apart->user, apart->user);
  for (char **scratch = apart->scratch; *scratch != NULL; scratch++)
    if (mount_empty(*scratch, options) != 0) return -1;
  return apart->user == 0 ? 0 : mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
}

static int lay_file(const struct apart *apart) {
  char parent[PATH_MAX];
  const char *slash = strrchr(apart->file_path, '/');
  size_t length = slash == NULL ? 0 : (size_t)(slash - apart->file_path);
  if (length == 0 || length >= sizeof parent) return errno = EINVAL, -1;
  memcpy(parent, apart->file_path, length);
  parent[length] = '\0';
  if (make_directories(parent) != 0) return -1;
  int file = openat(AT_FDCWD, apart->file_path, O_RDONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (file < 0) return -1;
  int failed = attach_tree(apart->file, file);
  (void)close(file);
  return failed == 0 ? 0 : (errno = -failed, -1);
}

struct making {
  const struct apart *apart;
  struct made_apart made;
};

static int open_proc(const struct apart *apart, const char *name) {
  return openat(apart->proc, name, O_RDONLY | O_CLOEXEC);
}

static int make(void *argument) {
  struct making *making = argument;
  const struct apart *apart = making->apart;
  making->made.step = APART_COPY;
  if (unshare(CLONE_NEWNS) != 0) return -errno;
  making->made.step = APART_LAY;
  if (mount_empty(apart->directory, few) != 0 || make_directories(apart->place) != 0) return -errno;
  if (lay_scratch(apart) != 0) return -errno;
  making->made.step = APART_FILE;
  if (apart->file >= 0 && lay_file(apart) != 0) return -errno;
  making->made.step = APART_OPEN;
  making->made.mountinfo = open_proc(apart, "self/mountinfo");
  int opened = making->made.mountinfo < 0 ? -1 : open_proc(apart, "self/ns/mnt");
  return opened < 0 ? -errno : opened;
}

struct made_apart make_apart(const struct apart *apart) {
  struct making making = {apart, {.mountinfo = -1, .step = APART_ENTER}};
  making.made.mount_namespace = in_namespace(apart->pinned, make, &making);
  if (making.made.mount_namespace < 0 && making.made.mountinfo >= 0) (void)close(making.made.mountinfo);
  return making.made;
}

/* Since Linux 5.8 the kernel says whether something is mounted there; before, whoever calls has looked. */
static int copy(void *argument) {
  const char *place = argument;
  struct kernel_statx status;
  const unsigned flags = AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_STATX_DONT_SYNC;
  if (kernel_status(AT_FDCWD, place, flags, 0, &status) != 0) return -errno;
  if ((status.stx_attributes_mask & ~status.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0) return -EINVAL;
  return clone_mount(AT_FDCWD, place);
}

int copy_mount(int mount_namespace, const char *place) { return in_namespace(mount_namespace, copy, (void *)place); }

static int take(void *argument) {
  const char *place = argument;
  int tree = clone_mount(AT_FDCWD, place);
  if (tree < 0 || umount2(place, MNT_DETACH | UMOUNT_NOFOLLOW) == 0) return tree;
  int cause = errno;
  (void)close(tree);
  return -cause;
}

int take_mount(int mount_namespace, const char *place) { return in_namespace(mount_namespace, take, (void *)place); }

struct change {
  int tree;
  unsigned long flags;
};

static int change(void *argument) {
  const struct change *asked = argument;
  char path[32];
  (void)snprintf(path, sizeof path, "/proc/self/fd/%d", asked->tree);
  if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0) return -errno;
  int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (root < 0) return -errno;
  int result = attach_tree(asked->tree, root);
  (void)close(root);
  if (result != 0) return result;
  if (mount(NULL, path, NULL, MS_PRIVATE, NULL) != 0) return -errno;
  if (mount(NULL, path, NULL, MS_REMOUNT | MS_BIND | asked->flags, NULL) != 0) return -errno;
  int changed = clone_mount(asked->tree, "");
  if (changed < 0) return changed;
  result = dup3(changed, asked->tree, O_CLOEXEC) < 0 ? -errno : 0;
  (void)close(changed);
  return result;
}

int change_tree(int tree, unsigned long flags) {
  struct change asked = {tree, flags};
  int here = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
  if (here < 0) return -errno;
  int result = in_namespace(here, change, &asked);
  (void)close(here);
  return result;
}
