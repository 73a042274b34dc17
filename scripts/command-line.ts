import { constants } from 'node:os';
import { basename } from 'node:path';
import { ExecaError, execa } from 'execa';
import { type Command, callOf, type FlagsOf, type FlagTable } from '../src/commands/command.ts';
import { parseFlags } from '../src/commands/flags.ts';
import { manual } from '../src/commands/help.ts';
import { formatError, MounterError } from '../src/errors.ts';
import { exitCode } from '../src/exit-codes.ts';
import { asSystemError, hintOf } from '../src/host/system-error.ts';

/** What the scripts' command lines have in common. */

/** A script of package.json, described once, as the mounter's commands are: its flags, its help, and its errors. */
export interface Script<Table extends FlagTable> extends Pick<Command, 'operands' | 'usage' | 'manual'> {
  /** Whole command lines, where one is not clear from the rest. */
  readonly examples?: readonly string[];
  /** In package.json. */
  readonly name: string;
  readonly flags: Table;
  /** For everything but `--help`. */
  readonly needsRoot?: true;
  /** @returns the exit status. @throws MounterError */
  run(flags: FlagsOf<Table>): Promise<number>;
}

/** Ends this process with what the script returns, or with the words and the status of the error that it throws. */
export async function runMain<const Table extends FlagTable>(script: Script<Table>): Promise<void> {
  // What hangs on the process's exit is done then: its children end, and its directories go.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
    process.once(signal, () => process.exit(128 + constants.signals[signal]));
  const { name, needsRoot, run, ...rest } = script;
  const call = name === 'test' ? 'npm test --' : `npm run ${name} --`;
  const described = { examples: [], ...rest, name, call, summary: '' };
  try {
    const argv = process.argv.slice(2);
    if (argv.includes('--help') || argv.includes('-h')) {
      process.stdout.write(manual(described).replace(' --\n', '\n'));
      return;
    }
    const flags = parseFlags(described, argv);
    if (needsRoot === true) requireRoot();
    process.exitCode = await run(flags);
  } catch (error) {
    const known = asSystemError(error instanceof ExecaError ? ofProgram(error) : error);
    if (!(known instanceof MounterError)) throw error;
    const isUnhelpful = known.status === exitCode.usage && known.hint === undefined;
    const hint = isUnhelpful ? `hint: see ${callOf(described)} --help\n` : '';
    process.stderr.write(formatError(known).replace(/^mounter/, name) + hint);
    process.exitCode = known.status;
  }
}

/** @throws MounterError (usage) for everybody but root. */
export function requireRoot(): void {
  if (process.getuid?.() === 0) return;
  throw new MounterError('must run as root', { status: exitCode.usage, hint: 'run it as root' });
}

/** @throws MounterError (usage) that names the flag. */
export function wholeNumber(flag: string, text: unknown, maximum: number): number {
  if (/^[1-9]\d*$/.test(String(text)) && Number(text) <= maximum) return Number(text);
  throw usageError(flag, `"${text}" is not a whole number from 1 to ${maximum}`);
}

/** Those of `all` that the value of `flag` names, separated by commas; all of them where it is not given. @throws MounterError (usage) */
export function chosenOf<T extends string>(
  flag: string,
  value: string | undefined,
  all: readonly T[],
): readonly T[] {
  const given = value?.split(',') ?? all;
  if (given.some((word) => !all.some((one) => one === word)))
    throw usageError(flag, `must be ${all.join(' or ')}`);
  return all.filter((one) => given.includes(one));
}

/** Without a hint, it is to see `--help`. */
export function usageError(subject: string, message: string, hint?: string): MounterError {
  return new MounterError(message, { subject, status: exitCode.usage, hint });
}

/**
 * Runs another script, which says what it does itself. @param name in this directory, such as `build.ts`.
 * @param stdout where that goes: to stderr where this one's stdout is for figures.
 */
export async function runScript(
  name: string,
  args: readonly string[],
  stdout: NodeJS.WriteStream | 'ignore' = process.stdout,
): Promise<void> {
  await execa(process.execPath, [`${import.meta.dirname}/${name}`, ...args], {
    stdio: ['ignore', stdout, 'inherit'],
  });
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
