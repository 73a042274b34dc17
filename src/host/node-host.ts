import {
  chmodSync,
  closeSync,
  constants,
  lstatSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  type Stats,
  statSync,
  writeFileSync,
} from 'node:fs';
import { run } from './child.ts';
import type { FileStatus, Host } from './host.ts';
import { kill } from './kill.ts';
import { processes } from './processes.ts';
import { findProgram } from './programs.ts';

/** open(2)'s O_PATH, which node:fs does not name; the same on every Linux architecture we build for. */
const O_PATH = 0o10000000;

/** The Host of a real node, on `node:` APIs. */
export const nodeHost: Host = {
  effectiveUserId: () => process.geteuid?.() ?? -1,
  readText: (path) => orUndefined(() => readFileSync(path, 'utf8')),
  replaceText,
  lstat: (path) => statusOf(orUndefined(() => lstatSync(path))),
  stat: (path) => statusOf(orUndefined(() => statSync(path))),
  mountId,
  processes,
  kill,
  findProgram,
  run,
  connect: async (...args) => (await import('./connect.ts')).connect(...args),
  sleep: (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds)),
  now: () => performance.now(),
};

/** Under a name of this process's own first: two mounts may be at it. Not synced: it is made again after a crash. */
function replaceText(path: string, text: string, mode: number): void {
  const unfinished = `${path}.new.${process.pid}`;
  try {
    rmSync(unfinished, { force: true });
    writeFileSync(unfinished, text, { mode, flag: 'wx' });
    chmodSync(unfinished, mode);
    renameSync(unfinished, path);
  } catch (error) {
    rmSync(unfinished, { force: true });
    throw error;
  }
}

function orUndefined<T>(read: () => T): T | undefined {
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
    size: stats.size,
    changedMs: stats.ctimeMs,
  };
}

function kindOf(stats: Stats): FileStatus['kind'] {
  if (stats.isDirectory()) return 'directory';
  if (stats.isFile()) return 'file';
  if (stats.isSymbolicLink()) return 'symlink';
  return stats.isCharacterDevice() || stats.isBlockDevice() ? 'device' : 'other';
}

function mountId(path: string): number | undefined {
  const fd = orUndefined(() => openSync(path, O_PATH | constants.O_NOFOLLOW));
  if (fd === undefined) return undefined;
  try {
    const match = /^mnt_id:\s*(\d+)/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'latin1'));
    return match === null ? undefined : Number(match[1]);
  } finally {
    closeSync(fd);
  }
}
