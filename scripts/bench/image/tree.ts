import { createHash } from 'node:crypto';
import { type BigIntStats, createReadStream, lstatSync, readdirSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { execa } from 'execa';
import { ensureInstalled } from '../../debian.ts';

/** All that is to be the same of one name in a tree, each as text. */
export interface TreeEntry {
  readonly type: string;
  /** Octal. */
  readonly mode: string;
  /** `uid:gid` */
  readonly owner: string;
  /** Seconds since 1970, nine digits after the point. */
  readonly mtime: string;
  /** `major:minor` of a device. */
  readonly device?: string;
  readonly linkTarget?: string;
  /** The first of the names of the same file, by byte order, when there are several. */
  readonly sameFileAs?: string;
  /** Bytes. */
  readonly size?: string;
  readonly sha256?: string;
  /** `name=0x…` each, sorted. */
  readonly xattrs?: string;
}

/** By path relative to the root, which is `.`. */
export type Tree = ReadonlyMap<string, TreeEntry>;

/** What is below `root`, which must not change meanwhile. Needs root's rights for all xattrs. */
export async function readTree(root: string): Promise<Tree> {
  const paths = ['.', ...namesBelow(root, '')].sort();
  const xattrs = await readXattrs(root);
  const firstNames = new Map<bigint, string>();
  const tree = new Map<string, TreeEntry>();
  for (const path of paths) {
    const status = lstatSync(join(root, path), { bigint: true });
    const first = firstNames.get(status.ino) ?? path;
    firstNames.set(status.ino, first);
    tree.set(path, await readEntry(join(root, path), status, first, xattrs.get(path)));
  }
  return tree;
}

/** Node's own recursive readdir follows symlinks to directories. */
function namesBelow(root: string, directory: string): readonly string[] {
  return readdirSync(join(root, directory), { withFileTypes: true }).flatMap((entry) => {
    const path = join(directory, entry.name);
    return entry.isDirectory() ? [path, ...namesBelow(root, path)] : [path];
  });
}

async function readEntry(
  path: string,
  status: BigIntStats,
  first: string,
  xattrs: string | undefined,
): Promise<TreeEntry> {
  const type = typeOf(status);
  const isDevice = type.endsWith('device');
  return {
    type,
    mode: (status.mode & 0o7777n).toString(8).padStart(4, '0'),
    owner: `${status.uid}:${status.gid}`,
    mtime: secondsOf(status.mtimeNs),
    ...(isDevice && { device: deviceOf(status.rdev) }),
    ...(type === 'symlink' && { linkTarget: readlinkSync(path) }),
    ...(type !== 'directory' && status.nlink > 1n && { sameFileAs: first }),
    ...(type === 'file' && { size: String(status.size), sha256: await sha256Of(path) }),
    ...(xattrs !== undefined && { xattrs }),
  };
}

function typeOf(status: BigIntStats): string {
  if (status.isFile()) return 'file';
  if (status.isDirectory()) return 'directory';
  if (status.isSymbolicLink()) return 'symlink';
  if (status.isFIFO()) return 'fifo';
  if (status.isCharacterDevice()) return 'character device';
  if (status.isBlockDevice()) return 'block device';
  return 'socket';
}

/** Nanoseconds as seconds; rounded down, also before 1970. */
function secondsOf(nanoseconds: bigint): string {
  const rest = ((nanoseconds % 1_000_000_000n) + 1_000_000_000n) % 1_000_000_000n;
  return `${(nanoseconds - rest) / 1_000_000_000n}.${String(rest).padStart(9, '0')}`;
}

/** As glibc's gnu_dev_major(3) and gnu_dev_minor(3). */
function deviceOf(rdev: bigint): string {
  const major = ((rdev >> 8n) & 0xfffn) | ((rdev >> 32n) & ~0xfffn);
  const minor = (rdev & 0xffn) | ((rdev >> 12n) & ~0xffn);
  return `${major}:${minor}`;
}

async function sha256Of(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  return hash.digest('hex');
}

/** Node has no getxattr(2); getfattr(1) reads all of them, in every namespace. */
async function readXattrs(root: string): Promise<ReadonlyMap<string, string>> {
  await ensureInstalled(['attr']);
  const args = [
    '--recursive',
    '--physical',
    '--no-dereference',
    '--dump',
    '--match=-',
    '--encoding=hex',
    '.',
  ];
  const { stdout } = await execa('getfattr', args, { cwd: root, maxBuffer: 1e9 });
  return parseGetfattr(stdout);
}

/**
 * ```
 * # file: usr/bin/a\040b
 * security.capability=0x01
 * user.x=0x31
 * ```
 */
export function parseGetfattr(text: string): ReadonlyMap<string, string> {
  const blocks = text.split('\n\n').filter((block) => block.startsWith('# file: '));
  return new Map(
    blocks.map((block) => {
      const [first = '', ...xattrs] = block.split('\n');
      return [unescaped(first.slice('# file: '.length)), xattrs.filter(Boolean).sort().join(' ')] as const;
    }),
  );
}

/** getfattr(1) writes `\n`, `\r` and the backslash as three octal digits after a backslash. */
function unescaped(name: string): string {
  return name.replace(/\\([0-7]{3})/g, (_, octal) => String.fromCharCode(Number.parseInt(octal, 8)));
}
