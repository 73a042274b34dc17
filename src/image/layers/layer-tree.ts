import {
  chmodSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readlinkSync,
  rmdirSync,
  type Stats,
  unlinkSync,
} from 'node:fs';
import { bytesOf, cleanName, EntryError, pathOf, splitName, textOf } from './entry-path.ts';

/** As the kernel's MAXSYMLINKS. */
const maxLinks = 40;

/**
 * In bytes, as the rootfs names it. What is longer could not be read, or removed, any more where a version has a longer name
 * than it was unpacked by: PATH_MAX.
 */
const longestPath = 2048;

/** So many are remembered at a time: names that symlinks lead in circles have no end. */
const mostDirectories = 100_000;

/**
 * The directory that layers are unpacked in, as chroot(2) would show it: a symlink on the way to an entry,
 * absolute or not, leads to a place inside the root, and `..` stops there (CVE-2021-29136, CVE-2025-45582).
 *
 * Nobody else may write to the root meanwhile: where directories lead is remembered. All paths are byte
 * strings.
 */
export class LayerTree {
  readonly root: string;
  readonly #device: number;
  /** Clean names of directories → their paths, without symlinks. */
  readonly #directories = new Map<string, string>();
  /** Paths that the layer which is being unpacked has put there: no whiteout of its own removes them. */
  readonly #upper = new Set<string>();
  readonly #onRemove: (path: string) => void;

  /** @param onRemove is told of each directory that goes. */
  constructor(root: string, onRemove: (path: string) => void) {
    this.root = bytesOf(root.replace(/(?<=.)\/+$/, ''));
    this.#device = lstatSync(root).dev;
    this.#onRemove = onRemove;
  }

  /** What is there now belongs to lower layers. */
  beginLayer(): void {
    this.#upper.clear();
  }

  /** `path` belongs to this layer. @throws EntryError where it is too long to be kept. */
  claim(path: string): void {
    const length = path.length - this.root.length;
    if (length > longestPath)
      throw new EntryError(
        path.slice(this.root.length, this.root.length + 100),
        `begins a path of ${length} bytes, and ${longestPath} are the most`,
      );
    this.#upper.add(path);
  }

  /**
   * The path of the directory `name`, a clean name.
   * @param make whether missing directories are made, for root and with mode 0755, as umoci does.
   * @returns undefined when it is not there and not to be made.
   * @throws EntryError when something on the way is no directory.
   */
  directory(name: string, make: boolean): string | undefined {
    if (name === '') return this.root;
    const known = this.#directories.get(name);
    if (known !== undefined) return known;
    const [above, base] = splitName(name);
    const parent = this.directory(above, make);
    if (parent === undefined) return undefined;
    const path = this.#enter(parent, base, { entry: name, make, links: 0 });
    if (this.#directories.size >= mostDirectories) this.#directories.clear();
    if (path !== undefined) this.#directories.set(name, path);
    return path;
  }

  /** The path of an entry that is already there: symlinks are followed but for the last part of the name. */
  find(name: string): string | undefined {
    const clean = cleanName(name);
    if (clean === '') return this.root;
    const [above, base] = splitName(clean);
    const parent = this.directory(above, false);
    return parent === undefined ? undefined : `${parent}/${base}`;
  }

  #enter(parent: string, part: string, walk: Walk): string | undefined {
    const path = `${parent}/${part}`;
    const status = statusOf(path);
    if (status?.isDirectory()) return path;
    if (status === undefined) {
      if (!walk.make) return undefined;
      mkdirSync(pathOf(path), 0o755);
      chmodSync(pathOf(path), 0o755); // Whatever the umask.
      this.claim(path);
      return path;
    }
    if (status.isSymbolicLink()) return this.#follow(parent, readlinkBytes(path), walk);
    if (!walk.make) return undefined;
    throw new EntryError(
      walk.entry,
      `lies below ${textOf(path.slice(this.root.length))}, which is no directory`,
    );
  }

  #follow(parent: string, target: string, walk: Walk): string | undefined {
    walk.links += 1;
    if (walk.links > maxLinks) throw new EntryError(walk.entry, 'lies below symlinks that lead in circles');
    let directory = target.startsWith('/') ? this.root : parent;
    for (const part of target.split('/')) {
      if (part === '' || part === '.') continue;
      if (part === '..') {
        if (directory !== this.root) directory = directory.slice(0, directory.lastIndexOf('/'));
        continue;
      }
      const next = this.#enter(directory, part, walk);
      if (next === undefined) return undefined;
      directory = next;
    }
    return directory;
  }

  /** Removes what is at `path`, with all below it. Nothing there is no error. */
  remove(path: string): void {
    this.#removeWhere(path, () => true);
  }

  /** Removes at and below `path` what lower layers have put there. */
  removeLower(path: string): void {
    this.#removeWhere(path, (each) => !this.#upper.has(each));
  }

  /** Removes below `path`, but not `path` itself, what lower layers have put there. */
  emptyLower(path: string): void {
    for (const name of namesIn(path)) this.removeLower(`${path}/${name}`);
  }

  /** @returns whether nothing is left at `path`. */
  #removeWhere(path: string, isDoomed: (path: string) => boolean): boolean {
    const status = statusOf(path);
    if (status === undefined) return true;
    // Somebody has mounted something there: nothing is removed through a mount.
    if (status.dev !== this.#device)
      throw new EntryError(path.slice(this.root.length), 'would remove what is mounted there');
    if (!status.isDirectory()) {
      if (!isDoomed(path)) return false;
      unlinkSync(pathOf(path));
      if (status.isSymbolicLink()) this.#directories.clear();
      return true;
    }
    let isEmpty = true;
    for (const name of namesIn(path)) if (!this.#removeWhere(`${path}/${name}`, isDoomed)) isEmpty = false;
    if (!isEmpty || !isDoomed(path)) return false;
    rmdirSync(pathOf(path));
    this.#directories.clear();
    this.#onRemove(path);
    return true;
  }
}

interface Walk {
  /** For messages. */
  readonly entry: string;
  readonly make: boolean;
  links: number;
}

export function statusOf(path: string): Stats | undefined {
  return lstatSync(pathOf(path), { throwIfNoEntry: false });
}

function namesIn(path: string): readonly string[] {
  return readdirSync(pathOf(path), { encoding: 'buffer' }).map((name) => name.toString('latin1'));
}

function readlinkBytes(path: string): string {
  return readlinkSync(pathOf(path), { encoding: 'buffer' }).toString('latin1');
}
