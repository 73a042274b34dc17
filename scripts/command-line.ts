import { formatError, MounterError } from '../src/errors.ts';
import { exitCode } from '../src/exit-codes.ts';

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
  try {
    process.exitCode = await main(process.argv.slice(2));
  } catch (error) {
    if (!(error instanceof MounterError)) throw error;
    process.stderr.write(formatError(error).replace(/^mounter/, name));
    process.exitCode = error.status;
  }
}
