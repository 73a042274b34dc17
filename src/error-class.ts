/**
 * The kinds of failure that programs tell apart: in `--json`, in the record, as a label of the metrics. What
 * a call has done and seen decides, a helper's own words come last.
 */
export const errorClasses = [
  /** The server's name does not resolve, or no name server answers. */
  'name-resolution',
  'no-route',
  'connection-refused',
  /** Packets to the server go unanswered. */
  'server-silent',
  'access-denied',
  'no-such-export',
  'version-not-offered',
  /** rpcbind or rpc.statd, on this node. */
  'lock-service',
  'bad-option',
  /** The options, the source or the target are forbidden by the manifest's policy. */
  'policy',
  /** The target: missing, no directory, a symlink, outside what is shared. */
  'mount-point',
  'stale',
  /** The target is taken. */
  'busy',
  'helper-missing',
  /** Mounted in the rootfs, and not seen on the host. */
  'propagation',
  /** The time of the whole mount was over, and nothing said why. */
  'deadline',
  /** fs.mount-max is reached. */
  'mount-max',
  /** The node is not in order: not installed, not prepared, a device missing. */
  'node',
  'usage',
  'interrupted',
  'internal',
  'unknown',
] as const;

export type ErrorClass = (typeof errorClasses)[number];
