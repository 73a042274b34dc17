import { MounterError } from '../errors.ts';
import { exitCode } from '../exit-codes.ts';

/**
 * What the kernel refused to one of our own calls, in the operator's words: a full or read-only disk is no
 * bug of ours. Whatever else `error` is comes back as it was.
 */
export function asSystemError(error: unknown): unknown {
  if (error instanceof MounterError || !isErrnoException(error)) return error;
  const { code = '', path, message } = error;
  return new MounterError(message, {
    subject: path,
    status: exitCode.system,
    hint: hints[code],
    cause: error,
  });
}

/** Whether a system call failed; decompressors' errors have a code too, but no system call. */
export function isErrnoException(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && 'code' in error && 'syscall' in error;
}

const hints: Readonly<Record<string, string>> = {
  ENOSPC: 'the disk is full: make room, then try again',
  EDQUOT: 'a quota is used up: make room, then try again',
  EROFS: 'the filesystem is read-only: mount it rw, or choose another place with MOUNTER_HOME',
};
