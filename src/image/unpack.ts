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
import { entryPath, refused } from './entry-path.ts';

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
  const directories: Header[] = [];
  try {
    for await (const entry of parser) await unpackEntry(entry, root, directories);
  } finally {
    source.destroy();
  }
  // Last, for what is put into a directory changes its times.
  for (const header of directories.reverse()) finishDirectory(header, root);
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

async function unpackEntry(entry: Entry, root: string, directories: Header[]): Promise<void> {
  const { header } = entry;
  const path = entryPath(root, header.name);
  if (path === undefined) entry.resume();
  else {
    mkdirSync(dirname(path), { recursive: true, mode: 0o755 });
    await unpackAt(path, entry, root, directories);
  }
}

async function unpackAt(path: string, entry: Entry, root: string, directories: Header[]): Promise<void> {
  const { header } = entry;
  if (header.type === 'directory') {
    if (!lstatSync(path, { throwIfNoEntry: false })?.isDirectory()) mkdirSync(path, 0o700);
    directories.push(header);
    entry.resume();
    return;
  }
  // A later entry replaces an earlier one of the same name: as tar(1) does.
  rmSync(path, { force: true });
  switch (header.type) {
    case 'file':
    case 'contiguous-file':
      await unpackFile(path, entry);
      return;
    case 'symlink':
      symlinkSync(header.linkname, path);
      lchownSync(path, header.uid, header.gid);
      lutimesSync(path, header.mtime, header.mtime);
      break;
    case 'link':
      linkSync(entryPath(root, header.linkname) ?? root, path);
      break;
    default:
      throw refused(header.name, `is of a kind that a rootfs has no use for: ${header.type}`);
  }
  entry.resume();
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

function finishDirectory(header: Header, root: string): void {
  const path = entryPath(root, header.name);
  if (path === undefined || !lstatSync(path, { throwIfNoEntry: false })?.isDirectory()) return;
  lchownSync(path, header.uid, header.gid);
  chmodSync(path, header.mode & 0o7777);
  utimesSync(path, header.mtime, header.mtime);
}
