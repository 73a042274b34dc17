import { formatError, MounterError } from '../errors.ts';
import { exitCode } from '../exit-codes.ts';
import { hintOf, isErrnoException } from './system-error.ts';

/** Where a command's words go: results to stdout, messages to stderr. */
export interface Output {
  out(text: string): void;
  err(text: string): void;
}

/** Both of a process; what could not be said does not keep a command from doing what it does. */
export interface StandardOutput extends Output {
  /**
   * Tells on stderr where stdout could not be written to.
   * @param status what the command ends with. @returns what the process ends with: not 0 where a result was lost.
   */
  end(status: number): number;
}

/** @param write all of the text, waiting for a reader who is slow; throws as node:fs does. */
export function standardOutput(write: (fd: number, text: string) => void): StandardOutput {
  let failure: NodeJS.ErrnoException | undefined;
  const attempt = (fd: number, text: string) => {
    try {
      if (text !== '') write(fd, text);
    } catch (error) {
      if (!isErrnoException(error)) throw error;
      // A reader that has enough is no failure.
      if (fd === 1 && error.code !== 'EPIPE') failure ??= error;
    }
  };
  const err = (text: string) => attempt(2, text);
  return {
    out: (text) => attempt(1, text),
    err,
    end: (status) => {
      if (failure === undefined) return status;
      err(formatError(lost(failure)));
      return status === exitCode.success ? exitCode.system : status;
    },
  };
}

function lost({ code = '', message }: NodeJS.ErrnoException): MounterError {
  const isClosed = code === 'EBADF';
  return new MounterError(isClosed ? 'is closed, and what was to be printed is lost' : message, {
    subject: 'standard output',
    status: exitCode.system,
    hint: isClosed ? 'use >/dev/null where it is not wanted' : hintOf(code),
  });
}
