#ifndef SPAWN_H
#define SPAWN_H

#include <stdint.h>
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
  /* Its stdin; -1 for an empty one. */
  int input;
  /* For its stdout and stderr; -1 for ours. */
  int output;
  /* What it has as descriptor 3; -1 for nothing. */
  int notice;
  /* The capabilities that it keeps, a bit each; all of them: it has what we have. @see capabilities(7) */
  uint64_t capabilities;
  /* The user and the group that it becomes, with those capabilities. */
  uid_t user;
  gid_t group;
};

#define ALL_CAPABILITIES UINT64_MAX

/* How far it came: what failed, with an errno. */
enum step { STEP_STARTED, STEP_FORK, STEP_SURROUNDINGS, STEP_ENTER, STEP_EXECUTE };

struct spawned {
  /* -1 when it was not started. */
  pid_t pid;
  enum step step;
  int error;
};

/*
 * Starts it as the leader of a session of its own, in `/` of its root, no other descriptor open, signals at their
 * defaults and none blocked. The kernel ends it when this process ends.
 */
struct spawned spawn_child(const struct child *child);

#endif
