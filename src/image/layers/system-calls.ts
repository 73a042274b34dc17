import type { Timestamp } from './tar-header.ts';

/** What node:fs lacks and a layer may need. Paths are NUL-free bytes; no symlink is followed at their end. */
export interface SystemCalls {
  /** @param type of the file, of its mode: S_IFCHR, S_IFBLK or S_IFIFO. @see mknod(2) */
  makeNode(path: Buffer, type: number, major: number, minor: number): void;
  /** @see lsetxattr(2) */
  setXattr(path: Buffer, name: string, value: Buffer): void;
  /** @see lremovexattr(2); an attribute that is not there is no error. */
  removeXattr(path: Buffer, name: string): void;
  /** Both times, to the nanosecond, which a number of seconds is too coarse for. @see utimensat(2) */
  setTimes(path: Buffer, time: Timestamp): void;
}

/** Calls fail as node:fs's do: with `code`, `syscall` and `path`. */
export async function openSystemCalls(): Promise<SystemCalls> {
  if ('bun' in process.versions) {
    const { LibcCalls } = await import('./libc-calls.ts');
    return new LibcCalls();
  }
  const { ProgramCalls } = await import('./program-calls.ts');
  return new ProgramCalls();
}

export function callError(code: string, syscall: string, path: Buffer): NodeJS.ErrnoException {
  const text = `${code}: ${syscall} '${path.toString('utf8')}'`;
  return Object.assign(new Error(text), { code, syscall, path: path.toString('utf8') });
}
