import { constants } from 'node:os';
import { basename } from 'node:path';
import { ExecaError } from 'execa';
import { formatError, MounterError } from '../src/errors.ts';
import { exitCode } from '../src/exit-codes.ts';
import { asSystemError, hintOf } from '../src/host/system-error.ts';

/** What the scripts' command lines have in common. */

/** @throws MounterError (usage) that names the flag. */
export function wholeNumber(flag: string, text: unknown, maximum: number): number {
  if (/^[1-9]\d*$/.test(String(text)) && Number(text) <= maximum) return Number(text);
  throw usageError(flag, `"${text}" is not a whole number from 1 to ${maximum}`);
}

export function usageError(subject: string, message: string, hint = 'see --help'): MounterError {
  return new MounterError(message, { subject, status: exitCode.usage, hint });
}

/** @throws MounterError (usage) for everybody but root. */
export function requireRoot(command: string): void {
  if (process.getuid?.() !== 0) throw usageError(command, 'must run as root', 'run it as root');
}

/** Ends this process with what `main` returns, or with the words and the status of the error that it throws. */
export async function runMain(
  name: string,
  main: (argv: readonly string[]) => Promise<number>,
): Promise<void> {
  // What hangs on the process's exit is done then: its children end, and its directories go.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
    process.once(signal, () => process.exit(128 + constants.signals[signal]));
  try {
    process.exitCode = await main(process.argv.slice(2));
  } catch (error) {
    const known = asSystemError(error instanceof ExecaError ? ofProgram(error) : error);
    if (!(known instanceof MounterError)) throw error;
    process.stderr.write(formatError(known).replace(/^mounter/, name));
    process.exitCode = known.status;
  }
}

/** A program that failed has said why: here, or, where it writes to our stderr itself, above. */
function ofProgram(error: ExecaError): MounterError {
  const said = typeof error.stderr === 'string' ? error.stderr : '';
  const [program = '', script = ''] = error.command.split(' ');
  const how = error.exitCode === undefined ? (error.signal ?? error.code) : `status ${error.exitCode}`;
  return new MounterError(`failed: ${how}`, {
    subject: basename(script.endsWith('.ts') ? script : program),
    status: exitCode.system,
    helperOutput: said,
    hint: /No space left on device|ENOSPC/.test(said)
      ? hintOf('ENOSPC')
      : 'see what it said above, and the space on the disk',
    cause: error,
  });
}
