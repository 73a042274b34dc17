import { MounterError } from '../errors.ts';
import { exitCode } from '../exit-codes.ts';
import type { MountEntry } from './mountinfo.ts';

/** The mount that `directory` lies on, as its path leads there now. */
export function containingMount(entries: readonly MountEntry[], directory: string): MountEntry {
  const way = entries.filter(
    ({ mountPoint }) =>
      mountPoint === '/' || mountPoint === directory || directory.startsWith(`${mountPoint}/`),
  );
  const covered = way.filter((entry) => isCovered(entry, way));
  const holders = way.filter((entry) => !covered.includes(entry) && !isInside(covered, way)(entry));
  const longest = Math.max(...holders.map(({ mountPoint }) => mountPoint.length));
  const holder = holders.findLast(({ mountPoint }) => mountPoint.length === longest);
  if (holder !== undefined) return holder;
  throw new MounterError('no mount in /proc/self/mountinfo holds it', {
    subject: directory,
    status: exitCode.system,
  });
}

/** The mounts that hang on this one: not what is mounted on them, nor what it covers. */
export function mountsOn(
  mount: MountEntry | undefined,
  entries: readonly MountEntry[],
): readonly MountEntry[] {
  return entries.filter((entry) => entry.parentId === mount?.mountId && entry !== mount);
}

/** Whether what is mounted on one of them comes to the other, too. */
export function isPeer(one: MountEntry | undefined, other: MountEntry): boolean {
  return one?.peerGroup !== undefined && one.peerGroup === other.peerGroup;
}

export function isPrivate(entry: MountEntry): boolean {
  return entry.peerGroup === undefined && entry.master === undefined;
}

/** Whether a mount on a directory above it, made later on the same mount, keeps every path from leading to it. */
export function isCovered(entry: MountEntry, entries: readonly MountEntry[]): boolean {
  return entries.some(
    ({ parentId, mountPoint }) =>
      parentId === entry.parentId && entry.mountPoint.startsWith(`${mountPoint}/`),
  );
}

/** Whether it shows the very directory that it covers: `mount --bind DIRECTORY DIRECTORY`. */
export function isSelfBind(entry: MountEntry, entries: readonly MountEntry[]): boolean {
  const parent = entries.find(({ mountId }) => mountId === entry.parentId);
  if (parent === undefined || parent.device !== entry.device) return false;
  const way = entry.mountPoint.slice(parent.mountPoint === '/' ? 0 : parent.mountPoint.length);
  return entry.root === ((parent.root === '/' ? '' : parent.root) + way || '/');
}

/** Whether an entry hangs on one of `mounts`. Asked of every volume, hence the index. */
export function isInside(
  mounts: readonly MountEntry[],
  entries: readonly MountEntry[],
): (entry: MountEntry) => boolean {
  const byId = new Map(entries.map((entry) => [entry.mountId, entry]));
  const ask = (entry: MountEntry): boolean => {
    const parent = byId.get(entry.parentId);
    return parent !== undefined && parent !== entry && (mounts.includes(parent) || ask(parent));
  };
  return ask;
}
