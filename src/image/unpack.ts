import {
  chmodSync,
  closeSync,
  constants,
  createReadStream,
  fchmodSync,
  fchownSync,
  futimesSync,
  lchownSync,
  linkSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  openSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';
import type { Readable } from 'node:stream';
import { createGunzip, createZstdDecompress } from 'node:zlib';
import { type Extract, extract, type Header } from 'tar-stream';
import { DigestStream } from './digest.ts';
import { entryPath, isText, refused } from './entry-path.ts';

/** One entry of the archive: its header, and its content as a stream. */
type Entry = Extract extends AsyncIterable<infer E> ? E : never;

/**
 * Unpacks a rootfs's tar into `root`, an empty directory: files, directories, symlinks and hard links with
 * their owners, modes and times. Nothing is written outside `root`, whatever the archive says.
 * @param file plain, or compressed with zstd or gzip.
 * @returns the digest of the uncompressed tar, `sha256:…`.
 * @throws MounterError (system) that names the entry; node's errors when reading or writing fails.
 */
export async function unpackTar(file: string, root: string): Promise<string> {
  const digest = new DigestStream();
  const parser = extract();
  const source = await decompressed(file);
  const fail = (error: Error) => parser.destroy(error);
  source.on('error', fail);
  digest.on('error', fail);
  source.pipe(digest).pipe(parser);
  const directories = new Map<string, Header>();
  try {
    for await (const entry of parser) await unpackEntry(entry, root, directories);
  } finally {
    source.destroy();
  }
  // Last, for what is put into a directory changes its times.
  for (const [path, header] of [...directories].reverse()) finishDirectory(path, header);
  return digest.digest();
}

async function decompressed(file: string): Promise<Readable> {
  const compressed = createReadStream(file);
  const magic = await firstBytes(file);
  const decompressor = magic.startsWith('28b52ffd')
    ? createZstdDecompress()
    : magic.startsWith('1f8b')
      ? createGunzip()
      : undefined;
  if (decompressor === undefined) return compressed;
  compressed.on('error', (error) => decompressor.destroy(error));
  return compressed.pipe(decompressor);
}

async function firstBytes(file: string): Promise<string> {
  for await (const chunk of createReadStream(file, { end: 3 })) return (chunk as Buffer).toString('hex');
  return '';
}

async function unpackEntry(entry: Entry, root: string, directories: Map<string, Header>): Promise<void> {
  const { header } = entry;
  const path = entryPath(root, header.name) ?? root;
  if (path !== root) makeParent(path, header);
  const isDirectory = lstatSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
  if (header.type === 'directory') {
    if (!isDirectory) {
      rmSync(path, { force: true });
      mkdirSync(path, 0o700);
    }
    directories.set(path, header);
    entry.resume();
    return;
  }
  if (isDirectory) throw refused(header.name, 'would replace a directory');
  // A later entry replaces an earlier one of the same name: as tar(1) does.
  rmSync(path, { force: true });
  await unpackAt(path, entry, root);
}

function makeParent(path: string, header: Header): void {
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o755 });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST' || code === 'ENOTDIR') throw refused(header.name, 'lies below a file');
    throw error;
  }
}

async function unpackAt(path: string, entry: Entry, root: string): Promise<void> {
  const { header } = entry;
  switch (header.type) {
    case 'file':
    case 'contiguous-file':
      await unpackFile(path, entry);
      return;
    case 'symlink':
      symlinkSync(linkTarget(header), path);
      lchownSync(path, header.uid, header.gid);
      lutimesSync(path, header.mtime, header.mtime);
      break;
    case 'link':
      linkSync(hardLinkTarget(header, root), path);
      break;
    default:
      throw refused(
        header.name,
        `is of a kind that a rootfs has no use for: ${header.type ?? 'an unknown one'}`,
      );
  }
  entry.resume();
}

function linkTarget({ name, linkname }: Header): string {
  // tar-stream's types promise a text; an entry without one has null.
  if (linkname === null || linkname === '') throw refused(name, 'is a link to nothing');
  if (!isText(linkname)) throw refused(name, 'is a link to a name that is not UTF-8 text');
  return linkname;
}

/** The path of an earlier entry, which is no directory. */
function hardLinkTarget(header: Header, root: string): string {
  const target = entryPath(root, linkTarget(header)) ?? root;
  const status = lstatSync(target, { throwIfNoEntry: false });
  if (status === undefined)
    throw refused(header.name, `is a hard link to ${header.linkname}, which is not there`);
  if (status.isDirectory())
    throw refused(header.name, `is a hard link to ${header.linkname}, which is a directory`);
  return target;
}

/** The owner before the mode: chown(2) clears set-user-ID. */
async function unpackFile(path: string, entry: Entry): Promise<void> {
  const { header } = entry;
  const fd = openSync(
    path,
    constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW,
    0o600,
  );
  try {
    for await (const chunk of entry) writeAll(fd, chunk as Buffer);
    fchownSync(fd, header.uid, header.gid);
    fchmodSync(fd, header.mode & 0o7777);
    futimesSync(fd, header.mtime, header.mtime);
  } finally {
    closeSync(fd);
  }
}

function writeAll(fd: number, bytes: Buffer): void {
  let written = 0;
  while (written < bytes.length) written += writeSync(fd, bytes, written);
}

/** A directory stays one: no entry replaces it. */
function finishDirectory(path: string, header: Header): void {
  lchownSync(path, header.uid, header.gid);
  chmodSync(path, header.mode & 0o7777);
  utimesSync(path, header.mtime, header.mtime);
}
