#ifndef SPAWN_H
#define SPAWN_H

#include <sys/types.h>

/* A program to run, and all that it gets. */
struct child {
  /* The program first: with a slash its path, else a name that is looked for in PATH of `environment`. */
  char **argv;
  char **environment;
  /* chroot(2); "" for none. */
  const char *root;
  /* An open /proc/PID/ns/mnt for setns(2), or -1. */
  int mount_namespace;
  /* For its stdout and stderr; -1 for ours. */
  int output;
};

/* How far it came: what failed, with an errno. */
enum step { STEP_STARTED, STEP_FORK, STEP_SURROUNDINGS, STEP_ENTER, STEP_EXECUTE };

struct spawned {
  /* -1 when it was not started. */
  pid_t pid;
  enum step step;
  int error;
};

/*
 * Starts it as the leader of a session of its own, in `/` of its root, stdin empty, no other descriptor open,
 * signals at their defaults and none blocked.
 */
struct spawned spawn_child(const struct child *child);

#endif
