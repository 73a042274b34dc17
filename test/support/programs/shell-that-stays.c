/* A /bin/sh of a rootfs: it says that it runs, and stays, out of reach of its group's signals, where it has more to do. */
#include <stdio.h>
#include <sys/prctl.h>
#include <unistd.h>

int main(int argc, char **argv) {
  (void)argv;
  if (argc == 3) return printf("runs") < 0;
  prctl(PR_SET_PDEATHSIG, 0);
  setsid();
  for (;;) pause();
}
