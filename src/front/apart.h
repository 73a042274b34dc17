#ifndef APART_H
#define APART_H

#include <sys/types.h>

/*
 * A mount that is made apart, and attached to its target in one call. @see mount_namespaces(7), open_tree(2),
 * move_mount(2). All of it goes without this process changing its own mount namespace: a child that shares our
 * memory and descriptors goes there.
 */

/* The namespace of one call: a copy of the one that is pinned, which sees nothing of the host's. */
struct apart {
  /* An open, pinned mount namespace. */
  int pinned;
  /* The host's /proc, open. */
  int proc;
  /* A directory there that gets a file system of its own, and below it the place to mount on, which is made. */
  const char *directory;
  const char *place;
  /* The same for directories that a daemon writes to; NULL behind the last. */
  char **scratch;
  /* Whose they are; where it is not root, there is a /proc, too: of a user who may look into no other process. */
  uid_t user;
  /* A file that is the host's, as open_tree(2) gave it, or -1; below `directory` or in a directory that is there. */
  int file;
  const char *file_path;
};

/* APART_ENTER: the child that goes there, or its way there. */
enum apart_step { APART_ENTER, APART_COPY, APART_LAY, APART_FILE, APART_OPEN };

/* A namespace that was made, or what failed. */
struct made_apart {
  /* Open, and gone when both of these are closed and nothing runs in it; or -errno. */
  int mount_namespace;
  /* Its /proc/self/mountinfo, open: what it says is as of when it is read. */
  int mountinfo;
  /* The last that was begun. */
  enum apart_step step;
};

struct made_apart make_apart(const struct apart *apart);

/* What is mounted on `place` of the namespace as a tree of mounts of its own; or -errno. */
int copy_mount(int mount_namespace, const char *place);

/* The same, and on `place` no more: where the namespace lives on with a daemon in it. */
int take_mount(int mount_namespace, const char *place);

/* A copy of what is at `path` below the open `directory` ("" for that itself) as a tree of mounts; or -errno. */
int clone_mount(int directory, const char *path);

/* Attaches a tree to an open directory; 0 or -errno. */
int attach_tree(int tree, int target);

/*
 * Makes what clone_mount has made private, with these MS_* flags and no others. mount(2) changes nothing that is
 * mounted nowhere: it is mounted for that in a namespace that ends at once. 0 or -errno.
 */
int change_tree(int tree, unsigned long flags);

#endif
