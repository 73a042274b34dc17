import { existsSync, realpathSync } from 'node:fs';
import { printable } from '../../errors.ts';
import type { Host, ProcessInformation } from '../../host/host.ts';
import { type MountEntry, mountsBelow, readMountinfo } from '../../host/mountinfo.ts';
import type { Manifest } from '../../manifest/manifest.ts';
import type { Layout } from '../../node/layout.ts';
import { processesIn } from '../../rootfs/root-processes.ts';
import { versionPath } from './versions.ts';

/** The processes and mounts that still need a version. */
export interface VersionUse {
  readonly processes: readonly ProcessInformation[];
  /** All that is mounted in it, by `prepare` or by others. */
  readonly mounts: readonly MountEntry[];
}

export function useOf(layout: Layout, digest: string, host: Host): VersionUse {
  const path = versionPath(layout, digest);
  if (!existsSync(path)) return { processes: [], mounts: [] };
  const directory = realpathSync(path);
  return {
    processes: processesIn(host, [directory], host.processes()),
    mounts: mountsBelow(readMountinfo(host), directory),
  };
}

/**
 * The mounts that `prepare` did not make, and which somebody may need: those that are not below a mount
 * point of the manifest.
 * @param directory the version's, without symlinks.
 */
export function foreignMounts(
  directory: string,
  mounts: readonly MountEntry[],
  manifest: Pick<Manifest, 'mounts' | 'daemons'>,
): readonly MountEntry[] {
  const points = [...manifest.mounts.mounter.map(({ rootfs }) => rootfs), manifest.daemons.startStatd];
  const ours = points.map((point) => directory + point);
  return mounts.filter(
    ({ mountPoint }) => !ours.some((point) => mountPoint === point || mountPoint.startsWith(`${point}/`)),
  );
}

/** A process in few words: `glusterfs (process 12)`. */
export function describeProcess({ pid, name }: ProcessInformation): string {
  return `${printable(name)} (process ${pid})`;
}
