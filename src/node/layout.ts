import type { Host } from '../host/host.ts';

/** Where things are on the node (docs/sharing.md: "Files on the node"). The names `mounter` and `rootfs` are kubelet's contract. */
export interface Layout {
  /** MOUNTER_HOME, the directory of the executable; absolute, without a trailing slash. */
  readonly home: string;
  /** What kubelet calls: the front. */
  readonly executable: string;
  /** What the front hands over to, beside it. */
  readonly fullExecutable: string;
  /** The symlink to the version in use. kubelet writes `rootfs/etc/resolv.conf` through it. */
  readonly rootfs: string;
  readonly versions: string;
  /** What the rootfs was installed with. */
  readonly manifest: string;
  /** The node's own settings, which are laid over it. */
  readonly nodeSettings: string;
  /** mounter's stand-in for start-statd, laid over the image's own; beside the executable, because /run may be noexec. */
  readonly startStatd: string;
}

export const defaultHome = '/home/kubernetes/containerized_mounter';

/** What Debian's node-exporter reads: the directory is the one of its textfile collector. */
export const usualMetricsFile = '/var/lib/prometheus/node-exporter/mounter.prom';

/** What is gone after a reboot: locks, and what `prepare` did. Root's alone. */
export const runDirectory = '/run/containerized-mounter';

/** Whoever can open a file can hold a lock on it, for ever: here root alone can. */
export const locksDirectory = `${runDirectory}/locks`;

/** Of which each mount locks one byte, the number of its target. */
export const targetLocksFile = `${locksDirectory}/targets`;

/** What mounts found out about servers a moment ago; root's alone. `prepare` makes it, and empties it. */
export const failuresDirectory = `${runDirectory}/failures`;

/** Where a volume's daemon writes: a filesystem of its own each, in what its helper sees. */
export const daemonDirectories = ['/run', '/tmp', '/var/log/glusterfs'] as const;

/**
 * @param home MOUNTER_HOME.
 * @param manifest MOUNTER_MANIFEST, when set.
 */
export function layoutOf(home: string, manifest?: string): Layout {
  return {
    home,
    executable: `${home}/mounter`,
    fullExecutable: `${home}/mounter-full`,
    rootfs: `${home}/rootfs`,
    versions: `${home}/versions`,
    nodeSettings: `${home}/node-settings.json`,
    manifest: manifest ?? `${home}/rootfs-manifest.json`,
    startStatd: `${home}/start-statd`,
  };
}

/** The directories of all installed versions. */
export function versionDirectories(
  { versions }: Layout,
  host: Pick<Host, 'list' | 'stat'>,
): readonly string[] {
  const names = host.stat(versions) === undefined ? [] : host.list(versions);
  return names.filter((name) => /^[0-9a-f]{64}$/.test(name)).map((name) => `${versions}/${name}`);
}
