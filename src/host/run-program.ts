import { ExecaError, execa } from 'execa';
import { MounterError } from '../errors.ts';
import { exitCode } from '../exit-codes.ts';
import { findProgram, programDirectories } from './programs.ts';

/**
 * Runs one of the host's own programs for the commands that set a node up; a mount, which has to stay light, does not.
 * @param args are shown in the error when it fails: pass no secrets.
 * @throws MounterError (system) with the program's stderr.
 */
export async function runProgram(name: string, args: readonly string[], timeoutMs = 60_000): Promise<string> {
  try {
    const { stdout } = await execa(findProgram(name), args, {
      cwd: '/',
      extendEnv: false,
      env: { PATH: programDirectories.join(':'), LC_ALL: 'C' },
      stdin: 'ignore',
      timeout: timeoutMs,
    });
    return stdout;
  } catch (error) {
    if (error instanceof MounterError) throw error;
    if (!(error instanceof ExecaError)) throw notStarted(name, error);
    throw new MounterError(error.timedOut ? `no end after ${timeoutMs / 1000} s` : howItEnded(error), {
      subject: [name, ...args].join(' '),
      status: exitCode.system,
      helperOutput: String(error.stderr ?? ''),
      cause: error,
    });
  }
}

/** Where fork(2) or execve(2) fails, Bun's spawn throws what execa can't add to: the reason is lost. */
export function notStarted(name: string, cause: unknown): MounterError {
  return new MounterError('could not be started', {
    subject: name,
    status: exitCode.system,
    hint: 'see whether the node is out of memory or processes',
    cause,
  });
}

function howItEnded({ exitCode: status, signal, code }: ExecaError): string {
  if (status !== undefined) return `failed with status ${status}`;
  return signal === undefined ? `could not be started: ${code}` : `ended by ${signal}`;
}
