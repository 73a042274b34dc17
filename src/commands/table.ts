import { MounterError } from '../errors.ts';
import { exitCode } from '../exit-codes.ts';
import { nearest } from '../nearest.ts';
import type { Command, CommandContext } from './command.ts';
import { completionCommand } from './completion.ts';
import { csi } from './csi.ts';
import { disable } from './disable.ts';
import { doctor } from './doctor.ts';
import { enable } from './enable.ts';
import { exec } from './exec.ts';
import { checkVariables, parseFlags } from './flags.ts';
import { environment, helpCommand, helpFor } from './help.ts';
import { install } from './install.ts';
import { kubelet } from './kubelet.ts';
import { log } from './log.ts';
import { manifest } from './manifest.ts';
import { mount } from './mount.ts';
import { nodeAgent } from './node-agent.ts';
import { prepare } from './prepare.ts';
import { prune } from './prune.ts';
import { report } from './report.ts';
import { rollback } from './rollback.ts';
import { status } from './status.ts';
import { teardown } from './teardown.ts';
import { unit } from './unit.ts';
import { version } from './version.ts';
import { versions } from './versions.ts';

/** All commands, in the order in which help shows them. */
export const commands: readonly Command[] = [
  mount,
  install,
  prepare,
  status,
  doctor,
  log,
  report,
  exec,
  kubelet,
  versions,
  rollback,
  prune,
  unit,
  disable,
  enable,
  teardown,
  manifest,
  csi,
  nodeAgent,
  helpCommand(
    () => commands,
    async (page) => (await import('./man.ts')).manualPage(page, commands),
  ),
  completionCommand(() => commands),
  version,
];

/** What is no command, and nearest in spelling to the opposite of what was meant. */
const otherWays: ReadonlyMap<string, string> = new Map([
  ...['umount', 'unmount'].map(
    (word) => [word, "umount(8), the host's own program, unmounts it: umount TARGET"] as const,
  ),
  ...['upgrade', 'update'].map(
    (word) => [word, 'mounter install SOURCE brings another version, and switches to it'] as const,
  ),
  ['uninstall', 'mounter teardown undoes prepare; when it has, remove the directory that mounter is in'],
]);

/** Whether a call of this command is for the record even when nothing failed. */
export function changesNode([word, ...rest]: readonly string[]): boolean {
  const changes = commands.find(({ name }) => name === word)?.changesNode ?? false;
  return !asksForHelp(rest) && (typeof changes === 'function' ? changes(rest) : changes);
}

/** @throws MounterError (usage) for a variable that is mistyped. */
export function checkEnvironment(variables: NodeJS.ProcessEnv): void {
  checkVariables(
    Object.keys(variables),
    environment.map(([name]) => name),
  );
}

/** Runs the command that the first word names. @returns the exit status. @throws MounterError */
export async function runCommand(argv: readonly string[], context: CommandContext): Promise<number> {
  const [word, ...rest] = argv;
  if (word === '--help' || word === '-h') return await runCommand(['help', ...rest], context);
  if (word === '--version') return await runCommand(['version', ...rest], context);
  if (word === undefined)
    throw new MounterError('no command', { status: exitCode.usage, hint: 'see mounter --help' });
  const command = commands.find(({ name }) => name === word);
  if (command === undefined) throw unknownCommand(word);
  const [second, ...others] = rest;
  const subcommand = command.subcommands?.find(({ name }) => name === `${word} ${second}`);
  if (asksForHelp(rest)) {
    context.output.out(helpFor(subcommand === undefined ? [word] : subcommand.name.split(' '), commands));
    return exitCode.success;
  }
  if (subcommand !== undefined) return await run(subcommand, others, context);
  if (command.subcommands !== undefined) throw unknownSubcommand(command, second);
  return await run(command, rest, context);
}

async function run(command: Command, argv: readonly string[], context: CommandContext): Promise<number> {
  const flags = parseFlags(command, argv);
  try {
    return (await command.run?.(flags, context)) ?? exitCode.success;
  } catch (error) {
    throw (await import('../host/system-error.ts')).asSystemError(error);
  }
}

/** Before `--`: what follows it is another program's. */
function asksForHelp(argv: readonly string[]): boolean {
  const end = argv.indexOf('--');
  return (end < 0 ? argv : argv.slice(0, end)).some((word) => word === '--help' || word === '-h');
}

function unknownCommand(word: string): MounterError {
  const near = nearest(
    word,
    commands.map(({ name }) => name),
  );
  return new MounterError('unknown command', {
    subject: word,
    status: exitCode.usage,
    hint:
      otherWays.get(word) ??
      (near === undefined ? 'see mounter --help' : `did you mean mounter ${near}? See mounter --help`),
  });
}

function unknownSubcommand({ name, subcommands = [] }: Command, word: string | undefined): MounterError {
  const words = subcommands.map((one) => one.name.slice(name.length + 1));
  const near = word === undefined ? undefined : nearest(word, words);
  const all =
    near === undefined
      ? `${words.map((one) => `mounter ${name} ${one}`).join(', or ')}; see`
      : `did you mean mounter ${name} ${near}? See`;
  return new MounterError(word === undefined ? `which ${name} is missing` : `there is no such ${name}`, {
    subject: word ?? name,
    status: exitCode.usage,
    hint: `${all} mounter ${name} --help`,
  });
}
