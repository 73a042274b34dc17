import { chmodSync, closeSync, mkdirSync, openSync, readdirSync, readlinkSync, writeFileSync } from 'node:fs';
import type { Host } from './host.ts';
import { processes } from './processes.ts';
import { findProgram } from './programs.ts';
import { replace } from './replace.ts';

/**
 * The part of a real node's Host that takes node:fs alone, and is the front's as well, which has those calls of it
 * (src/front/node-fs.ts), and no other.
 */
export const sharedFileHost: Pick<
  Host,
  'replaceText' | 'createText' | 'list' | 'makeDirectory' | 'realPath' | 'processes' | 'findProgram'
> = {
  replaceText,
  createText,
  list: (path) => readdirSync(path),
  makeDirectory: (path, mode) => void mkdirSync(path, { mode }),
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

/** What `read` returns; undefined where nothing is there. */
export function orUndefined<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // ELOOP: a symlink that leads to itself leads nowhere. ESRCH: what /proc had of a process that has just ended.
    if (code === 'ENOENT' || code === 'ENOTDIR' || code === 'ELOOP' || code === 'ESRCH') return undefined;
    throw error;
  }
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
