import { constants } from 'node:fs';
import { execaSync } from 'execa';
import { callError } from '../../../src/host/system-error.ts';
import { textOf } from '../../../src/image/layers/entry-path.ts';
import type { SystemCalls } from '../../../src/image/layers/system-calls.ts';

/** Node cannot call libc: for the unit tests, the host's programs do it. */

/** Names must be UTF-8 here. */
export const programCalls: SystemCalls = {
  makeNode(path, type, major, minor) {
    const letter = type === constants.S_IFIFO ? 'p' : type === constants.S_IFCHR ? 'c' : 'b';
    const numbers = letter === 'p' ? [] : [String(major), String(minor)];
    run('mknod', ['-m', '600', '--', path.toString(), letter, ...numbers], path);
  },
  setXattr: (path, name, value) =>
    run('setfattr', ['-n', textOf(name), '-v', `0x${value.toString('hex')}`, ...itself(path)], path),
  removeXattr: (path, name) => run('setfattr', ['-x', textOf(name), ...itself(path)], path),
  setTimes(path, { seconds, nanoseconds }) {
    // Seconds before 1970 count down, their fraction up.
    const time = `@${seconds}.${String(nanoseconds).padStart(9, '0')}`;
    const before = `@${seconds + 1}.${String(1e9 - nanoseconds).padStart(9, '0')}`.replace('@0', '@-0');
    run('touch', ['-d', seconds < 0 && nanoseconds > 0 ? before : time, ...itself(path)], path);
  },
};

/** The file of that name, and not what a symlink leads to. */
function itself(path: Buffer): readonly string[] {
  return ['-h', '--', path.toString()];
}

function run(name: string, args: readonly string[], path: Buffer): void {
  const { failed, stderr } = execaSync(name, args, { reject: false, env: { LC_ALL: 'C' }, stdin: 'ignore' });
  if (!failed) return;
  const text = String(stderr);
  const known = Object.entries(codes).find(([words]) => text.includes(words));
  throw callError(known?.[1] ?? 'EIO', name, path);
}

const codes: Readonly<Record<string, string>> = {
  'Operation not supported': 'ENOTSUP',
  'Operation not permitted': 'EPERM',
  'No such attribute': 'ENODATA',
  'Invalid argument': 'EINVAL',
  'Numerical result out of range': 'ERANGE',
  'No space left': 'ENOSPC',
  'File exists': 'EEXIST',
};
