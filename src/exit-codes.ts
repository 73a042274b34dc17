/** What `mounter` itself ends with: mount(8)'s "EXIT STATUS". A helper's own status passes through unchanged. */
export const exitCode = {
  success: 0,
  /** Incorrect invocation or permissions. */
  usage: 1,
  /** System error: the node or the installation is not in the state a mount needs. */
  system: 2,
  /** A bug of `mounter`. */
  internal: 4,
  /** Ended by SIGINT, SIGTERM or SIGHUP. */
  interrupted: 8,
  /** The mount failed. */
  mountFailure: 32,
  /** The helper is there, but the kernel can't execute it. */
  helperNotExecutable: 126,
  /** The helper, or its interpreter, is not there. */
  helperNotFound: 127,
} as const;
