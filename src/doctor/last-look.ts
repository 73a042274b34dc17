import { createHash } from 'node:crypto';
import packageJson from '../../package.json' with { type: 'json' };
import { isSettled } from '../host/file-state.ts';
import type { Host } from '../host/host.ts';
import { containingMount } from '../host/mount-tree.ts';
import { type MountEntry, readMountinfo } from '../host/mountinfo.ts';
import { stateOfTree } from '../image/versions/tree-record.ts';
import { runDirectory } from '../node/layout.ts';
import { rootfsEntrance } from '../rootfs/entrance.ts';
import { isAtOrBelow } from '../rootfs/root-processes.ts';
import type { Found } from './installation.ts';

/**
 * Who has read all of the rootfs and tried its programs, and found both good, leaves a digest of what lstat(2) says of
 * each file, and of what is mounted over them. As long as that is the same, reading and trying would find the same. A
 * disk that loses what nobody has written does not show in it: `doctor` reads and tries each time, and removes the digest
 * where it finds a fault. It lies in /run, for a power cut may leave other content under the old times.
 */
const lastLookFile = `${runDirectory}/good-rootfs`;

export interface LastLook {
  /** The rootfs is as it was when it was found good. */
  readonly isGood: boolean;
  /** Told by each half of a look, once. */
  readonly found: (half: 'contents' | 'programs', isGood: boolean) => Promise<void>;
}

/**
 * To be called before anything is looked at: what changes afterwards is not what was looked at.
 * @param goesByIt whether `isGood` may be true at all.
 * @param beganMs now, in ms since 1970.
 */
export async function lastLookAt(
  rootfs: Found,
  entries: readonly MountEntry[],
  host: Host,
  goesByIt: boolean,
  beganMs = Date.now(),
): Promise<LastLook> {
  const before = await stateOf(rootfs, entries, host);
  const good = new Set<string>();
  const keep = async () => {
    // Whoever writes at this very moment would have to be seen by it.
    if (before === undefined || !isSettled(before.changedMs, beganMs)) return;
    const now = await stateOf(rootfs, readMountinfo(host), host);
    if (now?.digest === before.digest) host.replaceText(lastLookFile, now.digest, 0o600);
  };
  return {
    isGood: goesByIt && before !== undefined && host.readText(lastLookFile) === before.digest,
    found: async (half, isGood) => {
      if (isGood) good.add(half);
      try {
        if (!isGood) host.remove(lastLookFile);
        else if (good.size === 2) await keep();
      } catch {
        // A full or read-only /run: each look is a whole one, then.
      }
    },
  };
}

interface RootfsState {
  readonly digest: string;
  readonly changedMs: number;
}

/** @returns undefined where it cannot be entered, or somebody is at work in it. */
async function stateOf(
  { root, manifest }: Found,
  entries: readonly MountEntry[],
  host: Host,
): Promise<RootfsState | undefined> {
  const points = [...manifest.mounts.mounter.map(({ rootfs }) => rootfs), manifest.daemons.startStatd];
  const isPoint = (path: string) => points.some((point) => isAtOrBelow(path, point));
  // What is mounted on those points, other checks look at.
  const over = (directory: string, table: readonly MountEntry[]) =>
    table
      .map((entry) => ({ ...entry, path: entry.mountPoint.slice(directory === '/' ? 0 : directory.length) }))
      .filter(({ mountPoint, path }) => isAtOrBelow(mountPoint, directory) && !isPoint(path));
  try {
    const onHost = over(root, entries);
    const inside = over('/', await tableInside(root, host));
    const tree = stateOfTree(root, (path) => isPoint(path) || onHost.some((one) => one.path === path));
    const mounts = [containingMount(entries, root), ...onHost, ...inside].map(
      ({ device, root: of, mountPoint, mountOptions }) => [device, of, mountPoint, mountOptions],
    );
    const state = JSON.stringify([packageJson.version, root, manifest, mounts, tree.text]);
    return { digest: createHash('sha256').update(state).digest('hex'), changedMs: tree.changedMs };
  } catch {
    return undefined;
  }
}

/** The mounts where its programs run, if that is a namespace of its own. */
async function tableInside(root: string, host: Host): Promise<readonly MountEntry[]> {
  const entrance = rootfsEntrance(root, host);
  if (entrance.kind === 'chroot') return [];
  const { withinNamespace } = await import('../host/mount-namespace.ts');
  return withinNamespace(entrance.file, () => readMountinfo(host));
}
