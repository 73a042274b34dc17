import {
  chmodSync,
  closeSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  type Stats,
  statSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import type { FileStatus, Host } from './host.ts';
import { processes } from './processes.ts';
import { findProgram } from './programs.ts';
import { replace } from './replace.ts';
import { about } from './system-error.ts';

/**
 * The part of a real node's Host that takes node:fs alone: also the front's, which has those calls of it
 * (src/front/node-fs.ts), and no other.
 */
export const fileHost: Pick<
  Host,
  | 'readText'
  | 'replaceText'
  | 'createText'
  | 'remove'
  | 'list'
  | 'makeDirectory'
  | 'lstat'
  | 'readLink'
  | 'stat'
  | 'realPath'
  | 'processes'
  | 'findProgram'
> = {
  readText: (path) => orUndefined(() => about(path, () => readFileSync(path, 'utf8'))),
  replaceText,
  createText,
  remove: (path) => orUndefined(() => unlinkSync(path)),
  list: (path) => readdirSync(path),
  makeDirectory: (path, mode) => void mkdirSync(path, { mode }),
  lstat: (path) => statusOf(orUndefined(() => lstatSync(path))),
  readLink,
  stat: (path) => statusOf(orUndefined(() => statSync(path))),
  realPath,
  processes,
  findProgram,
};

/** Under a name of this process's own first: two mounts may be at it. Not synced: it is made again after a crash. */
function replaceText(path: string, text: string, mode: number): void {
  const write = (unfinished: string) => {
    writeFileSync(unfinished, text, { mode, flag: 'wx' });
    chmodSync(unfinished, mode);
  };
  replace(path, write, `${path}.new.${process.pid}`);
}

function createText(path: string, text: string, mode: number): boolean {
  try {
    writeFileSync(path, text, { mode, flag: 'wx' });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

function readLink(path: string): string | undefined {
  try {
    return orUndefined(() => readlinkSync(path));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EINVAL') return undefined;
    throw error;
  }
}

/** What `read` returns; undefined where nothing is there. */
export function orUndefined<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // ELOOP: a symlink that leads to itself leads nowhere.
    if (code === 'ENOENT' || code === 'ENOTDIR' || code === 'ELOOP') return undefined;
    throw error;
  }
}

function statusOf(stats: Stats | undefined): FileStatus | undefined {
  if (stats === undefined) return undefined;
  return {
    kind: kindOf(stats),
    device: stats.dev,
    inode: stats.ino,
    isExecutable: (stats.mode & 0o111) !== 0,
    isRoots: stats.uid === 0 && (stats.mode & 0o022) === 0,
    size: stats.size,
    changedMs: stats.ctimeMs,
  };
}

type Kind = 'isDirectory' | 'isFile' | 'isSymbolicLink' | 'isCharacterDevice' | 'isBlockDevice';

export function kindOf(stats: Pick<Stats, Kind>): FileStatus['kind'] {
  if (stats.isDirectory()) return 'directory';
  if (stats.isFile()) return 'file';
  if (stats.isSymbolicLink()) return 'symlink';
  return stats.isCharacterDevice() || stats.isBlockDevice() ? 'device' : 'other';
}

/** open(2)'s O_PATH, which node:fs does not name; the same on every Linux architecture we build for. */
const O_PATH = 0o10000000;

function realPath(path: string): string | undefined {
  const fd = orUndefined(() => openSync(path, O_PATH));
  if (fd === undefined) return undefined;
  try {
    return readlinkSync(`/proc/self/fd/${fd}`);
  } finally {
    closeSync(fd);
  }
}
