/*
 * In the place of mount.nfs in the benchmark's rootfs: one mount(2), and nothing that depends on a server.
 *
 *   stand-in SOURCE TARGET [...]         what mount(8) calls a helper with; the options are not looked at. A source
 *                                        on 192.0.2.99 is waited for, as mount.nfs waits for a silent server
 *   stand-in --fill DIRECTORY FROM TO    mounts the volumes FROM to TO - 1 of pods below DIRECTORY
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

static int mount_volume(const char *source, const char *target) {
  if (strncmp(source, "192.0.2.99:", 11) == 0)
    for (;;) pause();
  /* Without a kernel NFS client, a small tmpfs is what mount(2) does the least work for. */
  if (mount(source, target, "tmpfs", 0, "size=4k,nr_inodes=2") == 0) return 0;
  fprintf(stderr, "mount.nfs: %s on %s: %s\n", source, target, strerror(errno));
  return 32;
}

static int make_directories(char *path) {
  for (char *slash = strchr(path + 1, '/');; slash = strchr(slash + 1, '/')) {
    if (slash != NULL) *slash = '\0';
    int failed = mkdir(path, 0755) != 0 && errno != EEXIST;
    if (slash != NULL) *slash = '/';
    if (failed) perror(path);
    if (failed || slash == NULL) return failed;
  }
}

/* Paths as long as kubelet's: who reads mountinfo pays for every byte of them. */
static int fill(const char *directory, long from, long to) {
  for (long i = from; i < to; i++) {
    char source[64], target[PATH_MAX];
    snprintf(source, sizeof source, "10.0.0.5:/exports/volume-%ld", i);
    snprintf(target, sizeof target,
             "%s/pods/%08lx-7c1e-4f0a-9d3b-%012lx/volumes/kubernetes.io~nfs/volume-%ld", directory, i, i, i);
    if (make_directories(target) != 0) return 32;
    int status = mount_volume(source, target);
    if (status != 0) return status;
  }
  return 0;
}

int main(int argc, char **argv) {
  if (argc == 2 && strcmp(argv[1], "-V") == 0) return 0;
  if (argc == 5 && strcmp(argv[1], "--fill") == 0) return fill(argv[2], atol(argv[3]), atol(argv[4]));
  if (argc < 3) return 1;
  return mount_volume(argv[1], argv[2]);
}
