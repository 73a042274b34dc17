import { constants } from 'node:fs';
import { execaSync } from 'execa';
import { callError, type SystemCalls } from './system-calls.ts';
import type { Timestamp } from './tar-header.ts';

/** By the host's programs: for the sources as Node runs them. Names must be UTF-8 here. */
export class ProgramCalls implements SystemCalls {
  makeNode(path: Buffer, type: number, major: number, minor: number): void {
    const letter = type === constants.S_IFIFO ? 'p' : type === constants.S_IFCHR ? 'c' : 'b';
    const numbers = letter === 'p' ? [] : [String(major), String(minor)];
    run('mknod', ['-m', '600', '--', path.toString(), letter, ...numbers], path);
  }

  setXattr(path: Buffer, name: string, value: Buffer): void {
    const text = `0x${value.toString('hex')}`;
    run(
      'setfattr',
      ['-h', '-n', Buffer.from(name, 'latin1').toString(), '-v', text, '--', path.toString()],
      path,
    );
  }

  removeXattr(path: Buffer, name: string): void {
    try {
      run('setfattr', ['-h', '-x', Buffer.from(name, 'latin1').toString(), '--', path.toString()], path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENODATA') throw error;
    }
  }

  setTimes(path: Buffer, { seconds, nanoseconds }: Timestamp): void {
    // Seconds before 1970 count down, their fraction up.
    const time = `@${seconds}.${String(nanoseconds).padStart(9, '0')}`;
    const before = `@${seconds + 1}.${String(1e9 - nanoseconds).padStart(9, '0')}`.replace('@0', '@-0');
    run('touch', ['-h', '-d', seconds < 0 && nanoseconds > 0 ? before : time, '--', path.toString()], path);
  }
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
  'No space left': 'ENOSPC',
  'File exists': 'EEXIST',
};
