import {
  closeSync,
  constants,
  ftruncateSync,
  linkSync,
  mkdirSync,
  openSync,
  symlinkSync,
  writeSync,
} from 'node:fs';
import { finishFile, setMetadata, setTimes } from './entry-metadata.ts';
import { cleanName, EntryError, pathOf, splitName, textOf } from './entry-path.ts';
import { LayerTree, statusOf } from './layer-tree.ts';
import { EntryCount, type LayerLimits } from './limits.ts';
import type { SystemCalls } from './system-calls.ts';
import type { TarEntry } from './tar-entry.ts';
import type { Timestamp } from './tar-header.ts';
import type { EntryHandler } from './tar-reader.ts';
import { applyWhiteout, whiteoutOf } from './whiteout.ts';

/** Set on a directory when all is unpacked: until then its content changes its times. */
interface Directory {
  readonly mtime: Timestamp;
  readonly xattrs: TarEntry['xattrs'];
}

/**
 * Puts the entries of layers, the lowest first, into a root: rules of the OCI image-spec's layer.md, and
 * where it is silent, of containerd's and umoci's extractors.
 */
export class LayerUnpacker implements EntryHandler {
  readonly #tree: LayerTree;
  readonly #calls: SystemCalls;
  readonly #count: EntryCount;
  readonly #directories = new Map<string, Directory>();
  #file: { readonly fd: number; readonly path: string; readonly entry: TarEntry } | undefined;

  constructor(root: string, calls: SystemCalls, limits: LayerLimits) {
    this.#tree = new LayerTree(root, (path) => this.#directories.delete(path));
    this.#calls = calls;
    this.#count = new EntryCount(limits);
  }

  beginLayer(): void {
    this.#tree.beginLayer();
  }

  begin(entry: TarEntry): void {
    this.#count.add(entry);
    const name = cleanName(entry.name);
    const [directory, base] = splitName(name);
    const whiteout = whiteoutOf(name, base);
    if (whiteout !== undefined) {
      applyWhiteout(this.#tree, whiteout, name);
      return;
    }
    const parent = this.#tree.directory(directory, true) ?? this.#tree.root;
    this.#make(name === '' ? parent : `${parent}/${base}`, entry);
  }

  content(bytes: Buffer, position: number): void {
    const file = this.#file;
    if (file === undefined) return;
    for (let written = 0; written < bytes.length; )
      written += writeSync(file.fd, bytes, written, bytes.length - written, position + written);
  }

  end(): void {
    const file = this.#file;
    if (file === undefined) return;
    const { fd, path, entry } = file;
    // The hole at the end of a sparse file.
    if (entry.segments !== undefined) ftruncateSync(fd, entry.size);
    finishFile(fd, path, entry, this.#calls);
    this.close();
  }

  /** Closes the file that was begun last. */
  close(): void {
    if (this.#file !== undefined) closeSync(this.#file.fd);
    this.#file = undefined;
  }

  /** Last, for what is put into a directory changes its times. */
  finish(): void {
    for (const [path, { mtime }] of this.#directories) setTimes(path, mtime, this.#calls);
  }

  #make(path: string, entry: TarEntry): void {
    if (path === this.#tree.root && entry.kind !== 'directory')
      throw new EntryError(entry.name, 'would replace the root directory');
    switch (entry.kind) {
      case 'file':
        this.#makeFile(path, entry);
        break;
      case 'directory':
        this.#makeDirectory(path, entry);
        break;
      case 'hardLink':
        this.#makeHardLink(path, entry);
        break;
      default:
        this.#replace(path, () => this.#makeOther(path, entry));
        setMetadata(path, entry, this.#calls);
    }
    this.#tree.claim(path);
  }

  /** Whatever has that path is removed, a directory with all in it; only a directory over a directory merges. */
  #replace<T>(path: string, make: () => T): T {
    try {
      return make();
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
    this.#tree.remove(path);
    return make();
  }

  #makeFile(path: string, entry: TarEntry): void {
    const fd = this.#replace(path, () => openSync(pathOf(path), newFile, 0o600));
    this.#file = { fd, path, entry };
  }

  #makeDirectory(path: string, entry: TarEntry): void {
    if (path === this.#tree.root || statusOf(path)?.isDirectory()) this.#clearXattrs(path, entry);
    else this.#replace(path, () => mkdirSync(pathOf(path), 0o700));
    setMetadata(path, entry, this.#calls);
    this.#directories.set(path, { mtime: entry.mtime, xattrs: entry.xattrs });
  }

  /** A directory that comes again has the later entry's xattrs, and no others. */
  #clearXattrs(path: string, { xattrs }: TarEntry): void {
    for (const [name] of this.#directories.get(path)?.xattrs ?? [])
      if (!xattrs.some(([kept]) => kept === name)) this.#removeXattr(path, name);
  }

  /** It may be missing: it was left out. */
  #removeXattr(path: string, name: string): void {
    try {
      this.#calls.removeXattr(Buffer.from(path, 'latin1'), name);
    } catch (error) {
      if (!['ENODATA', 'ENOTSUP', 'EPERM'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
    }
  }

  #makeHardLink(path: string, entry: TarEntry): void {
    const target = this.#tree.find(linkTarget(entry));
    const status = target === undefined ? undefined : statusOf(target);
    if (target === undefined || status === undefined)
      throw new EntryError(entry.name, `is a hard link to ${textOf(entry.linkname)}, which is not there`);
    if (status.isDirectory())
      throw new EntryError(entry.name, `is a hard link to ${textOf(entry.linkname)}, which is a directory`);
    // link(2) follows no symlink: the link may be a second name of one.
    if (target !== path) this.#replace(path, () => linkSync(pathOf(target), pathOf(path)));
  }

  #makeOther(path: string, entry: TarEntry): void {
    if (entry.kind === 'symlink') symlinkSync(pathOf(linkTarget(entry)), pathOf(path));
    else {
      const type = types[entry.kind];
      if (type !== undefined)
        this.#calls.makeNode(Buffer.from(path, 'latin1'), type, entry.major, entry.minor);
    }
  }
}

const newFile = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;

const types: { readonly [kind in TarEntry['kind']]?: number } = {
  characterDevice: constants.S_IFCHR,
  blockDevice: constants.S_IFBLK,
  fifo: constants.S_IFIFO,
};

function linkTarget({ name, linkname }: TarEntry): string {
  if (linkname === '') throw new EntryError(name, 'is a link to nothing');
  if (linkname.includes('\0')) throw new EntryError(name, 'is a link to a name with a NUL');
  return linkname;
}
