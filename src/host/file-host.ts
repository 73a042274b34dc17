import { lstatSync, readFileSync, readlinkSync, type Stats, statSync, unlinkSync } from 'node:fs';
import type { FileStatus, Host } from './host.ts';
import { isRootOnly } from './mount-host.ts';
import { orUndefined, sharedFileHost } from './shared-file-host.ts';
import { about } from './system-error.ts';

/** The part of a real node's Host that takes node:fs alone; what is not shared, the front has of its own. */
export const fileHost: typeof sharedFileHost &
  Pick<Host, 'readText' | 'remove' | 'lstat' | 'readLink' | 'stat'> = {
  ...sharedFileHost,
  readText: (path) => orUndefined(() => about(path, () => readFileSync(path, 'utf8'))),
  remove: (path) => orUndefined(() => unlinkSync(path)),
  lstat: (path) => statusOf(orUndefined(() => lstatSync(path))),
  readLink,
  stat: (path) => statusOf(orUndefined(() => statSync(path))),
};

function readLink(path: string): string | undefined {
  try {
    return orUndefined(() => readlinkSync(path));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EINVAL') return undefined;
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
    isRoots: isRootOnly(stats),
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
