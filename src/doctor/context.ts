import { readlinkSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import type { Host } from '../host/host.ts';
import { containingMount } from '../host/mount-tree.ts';
import type { MountEntry } from '../host/mountinfo.ts';
import type { RunBounded } from '../host/run-bounded.ts';
import type { needsOf } from '../image/versions/needs.ts';
import type { Manifest } from '../manifest/manifest.ts';
import type { SharedDirectory } from '../manifest/shared-mounts.ts';
import { isNetworkType } from '../mount/filesystems/all.ts';
import type { NodeContext } from '../node/node.ts';
import { volumeDirectories } from '../volumes/volumes.ts';
import type { LastLook } from './last-look.ts';

/** What the checks work with: a node with a rootfs and a manifest, looked at once. */
export interface DoctorContext extends NodeContext {
  /** Its `processes` are the daemons that a mount uses, and no others. */
  readonly host: Host;
  /** Its `enter` is the one that mounts use now, which a changed manifest may differ from. */
  readonly manifest: Manifest;
  /** `versions/<digest>` in use, without symlinks. */
  readonly root: string;
  /** The mounts when the examination began. */
  readonly entries: readonly MountEntry[];
  /** The types whose mounts need a part of the rootfs; undefined where nobody knows. */
  readonly typesWith: ReturnType<typeof needsOf>;
  /** What is known of the rootfs already. */
  readonly lastLook: LastLook;
  /** Asks what may hang. */
  readonly runBounded: RunBounded;
}

/** The host's directories below which volumes are mounted, without those that lie on a server. */
export function localVolumeDirectories({
  manifest,
  entries,
}: Pick<DoctorContext, 'manifest' | 'entries'>): readonly SharedDirectory[] {
  return volumeDirectories(manifest, (host) => !isNetworkMount(host, entries));
}

/** Whether a question about `path` goes to a server or a daemon, which may not answer. */
export function isNetworkMount(path: string, entries: readonly MountEntry[]): boolean {
  return networkTypeOnWay(path, entries) !== undefined;
}

/** The first filesystem on the way to `path` that may not answer, its symlinks followed; it is not asked itself. */
export function networkTypeOnWay(
  path: string,
  entries: readonly MountEntry[],
  mostLinks = 40,
): string | undefined {
  const parts = path.split('/').slice(1);
  for (const [index] of parts.entries()) {
    const way = `/${parts.slice(0, index + 1).join('/')}`;
    const { fstype } = containingMount(entries, way);
    if (isNetworkType(fstype)) return fstype;
    const link = linkOf(way);
    if (link === undefined) continue;
    const next = resolve(dirname(way), link, ...parts.slice(index + 1));
    return mostLinks === 0 ? undefined : networkTypeOnWay(next, entries, mostLinks - 1);
  }
  return undefined;
}

function linkOf(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined; // Nothing is there, or no symlink.
  }
}
