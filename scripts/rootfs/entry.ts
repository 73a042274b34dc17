/** One entry of the rootfs as it goes into the tar. */
export type Entry = DirectoryEntry | FileEntry | LinkEntry;

interface Named {
  /** Relative to `/`, without a slash at either end: `usr/sbin/mount.nfs`. */
  readonly path: string;
  readonly uid: number;
  readonly gid: number;
}

export interface DirectoryEntry extends Named {
  readonly kind: 'directory';
  readonly mode: number;
}

export interface FileEntry extends Named {
  readonly kind: 'file';
  readonly mode: number;
  readonly content: Buffer;
}

export interface LinkEntry extends Named {
  readonly kind: 'link';
  /** As the link says it, relative or absolute. */
  readonly target: string;
}

/** A directory of root's. */
export function directory(path: string, mode = 0o755, uid = 0, gid = 0): DirectoryEntry {
  return { kind: 'directory', path, mode, uid, gid };
}

/** A text file of root's, readable by everyone. */
export function textFile(path: string, text: string): FileEntry {
  return { kind: 'file', path, mode: 0o644, uid: 0, gid: 0, content: Buffer.from(text) };
}

export function link(path: string, target: string): LinkEntry {
  return { kind: 'link', path, target, uid: 0, gid: 0 };
}

/**
 * `entries` with every parent directory that none of them names; of two with the same path the first counts. Sorted by
 * the bytes of their names, each directory right before all that is in it: tar(1) sets a directory's time when the
 * first entry outside of it comes, and what came into it afterwards would change it again.
 */
export function completeTree(entries: readonly Entry[]): readonly Entry[] {
  const byPath = new Map<string, Entry>();
  for (const entry of entries) if (!byPath.has(entry.path)) byPath.set(entry.path, entry);
  for (const path of [...byPath.keys()]) {
    for (const parent of parents(path)) if (!byPath.has(parent)) byPath.set(parent, directory(parent));
  }
  // No name has a byte that sorts before this one.
  const key = ({ path }: Entry) => Buffer.from(path.replaceAll('/', '\0'));
  return [...byPath.values()].sort((a, b) => Buffer.compare(key(a), key(b)));
}

/** `a/b/c` → `a`, `a/b`. */
function parents(path: string): readonly string[] {
  const names = path.split('/');
  return names.slice(1).map((_, i) => names.slice(0, i + 1).join('/'));
}
