#ifndef GUARDIAN_H
#define GUARDIAN_H

#include "spawn.h"

/*
 * A process between us and a helper that leaves a daemon behind. It ends the helper and all that came of it when we
 * end, however we do, until the mount is attached; so a killed call leaves no daemon. It is that one's parent by
 * PR_SET_CHILD_SUBREAPER, whatever the daemon does. @see prctl(2)
 */

/* What it is told, a byte each. The end of the connection is GUARD_END. */
enum guard_order {
  /* SIGTERM to the helper's session. */
  GUARD_TERMINATE = 'T',
  /* End everything, and yourself. */
  GUARD_END = 'E',
  /* Attach the mount, and leave the daemon to itself. */
  GUARD_ATTACH = 'A',
  /* Leave the daemon to itself: the mount is where it is to be. */
  GUARD_RELEASE = 'R',
};

/* What it tells, a message each. */
struct guard_report {
  enum { GUARD_STARTED = 1, GUARD_ENDED = 2, GUARD_LEFT = 3 } kind;
  /*
   * Of the helper's start: its pid or -1, the step that failed, errno. Of its end: its status as waitpid(2) has it.
   * Of attaching, and of being released: 0 or -errno, and the daemons that are left, 0 for none.
   */
  int values[3];
};

struct guarded {
  /* Of the guardian; -1 with `error` when there is none. */
  pid_t pid;
  /* For orders and reports; not handed on to a program. */
  int connection;
  int error;
};

/* The mount that is to be. */
struct guarded_mount {
  /*
   * Attaching: from `place` of the open namespace, to the open target. With a namespace of -1 the helper mounts on the
   * target itself, on the host: nothing was on it before, and what is on it when all have ended is taken away.
   */
  int mount_namespace;
  const char *place;
  int target;
};

/* Ends our children, and theirs: what a guardian leaves that has been killed, the helper's daemon with it. */
void end_descendants(void);

struct guarded spawn_guarded(const struct child *child, const struct guarded_mount *mount);

#endif
