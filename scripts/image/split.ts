import { posix } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { extract, type Header } from 'tar-stream';
import type { Entry } from '../rootfs/entry.ts';

/** The entries of a tar that `npm run rootfs` made, in its order. */
export async function entriesOf(tar: Buffer): Promise<readonly Entry[]> {
  const entries: Entry[] = [];
  for await (const entry of Readable.from([tar]).pipe(extract())) {
    entries.push(entryOf(entry.header, await buffer(entry as unknown as Readable)));
  }
  return entries;
}

function entryOf({ name, type, mode, uid, gid, linkname }: Header, content: Buffer): Entry {
  const named = { path: name.replace(/\/$/, ''), uid, gid };
  switch (type) {
    case 'directory':
      return { kind: 'directory', ...named, mode };
    case 'file':
      return { kind: 'file', ...named, mode, content };
    case 'symlink':
      return { kind: 'link', ...named, target: linkname ?? '' };
    default:
      throw new TypeError(`${name}: npm run rootfs makes no ${type}`);
  }
}

/**
 * `entries`, in the order of completeTree, as `count` runs of about the same size, so that a node can fetch them at once.
 * Each has the directories above its entries too: whichever is unpacked last, they come out the same.
 */
export function splitEntries(entries: readonly Entry[], count: number): readonly (readonly Entry[])[] {
  const directories = new Map(entries.flatMap((e) => (e.kind === 'directory' ? [[e.path, e] as const] : [])));
  const total = entries.reduce((sum, entry) => sum + sizeOf(entry), 0);
  const runs = Array.from({ length: count }, () => new Map<string, Entry>());
  let before = 0;
  for (const entry of entries) {
    const run = runs[Math.min(count - 1, Math.floor((before * count) / total))];
    for (const path of parentsOf(entry.path)) {
      const parent = directories.get(path);
      if (parent !== undefined && run?.has(path) === false) run.set(path, parent);
    }
    run?.set(entry.path, entry);
    before += sizeOf(entry);
  }
  return runs.map((run) => [...run.values()]).filter((run) => run.length > 0);
}

/** Bytes in the tar, about. */
function sizeOf(entry: Entry): number {
  return 512 + (entry.kind === 'file' ? entry.content.length : 0);
}

/** `a/b/c` → `a`, `a/b`. */
function parentsOf(path: string): readonly string[] {
  const parent = posix.dirname(path);
  return parent === '.' ? [] : [...parentsOf(parent), parent];
}
