import { MounterError } from '../errors.ts';
import { exitCode } from '../exit-codes.ts';
import { nearest } from '../nearest.ts';
import type { CommandContext } from './context.ts';

/** @returns the exit status. @throws MounterError */
type Command = (argv: readonly string[], context: CommandContext) => Promise<number>;

/** Loaded when called: none of them may cost a mount anything. */
const commands: Readonly<Record<string, () => Promise<Command>>> = {
  install: async () => (await import('./install.ts')).install,
  prepare: async () => (await import('./prepare.ts')).prepare,
  enable: async () => (await import('./disable.ts')).enable,
  disable: async () => (await import('./disable.ts')).disable,
  teardown: async () => (await import('./teardown.ts')).teardownCommand,
  status: async () => (await import('./status.ts')).status,
  doctor: async () => (await import('./doctor.ts')).doctor,
  versions: async () => (await import('./versions.ts')).versions,
  rollback: async () => (await import('./rollback.ts')).rollback,
  prune: async () => (await import('./prune.ts')).pruneCommand,
  kubelet: async () => (await import('./kubelet.ts')).kubelet,
  unit: async () => (await import('./unit.ts')).unit,
  exec: async () => (await import('./exec.ts')).exec,
  log: async () => (await import('./log.ts')).log,
  manifest: async () => (await import('./manifest.ts')).manifest,
  'node-agent': async () => (await import('./node-agent.ts')).nodeAgent,
  help: async () => (await import('./help.ts')).help,
  version: async () => (await import('./version.ts')).version,
};

/** The first words that are commands, `mount` aside. */
export const commandNames: readonly string[] = Object.keys(commands);

/** What is no command, and nearest in spelling to the opposite of what was meant. */
const otherWays: ReadonlyMap<string, string> = new Map([
  ...['umount', 'unmount'].map((word) => [word, "use the host's own umount TARGET"] as const),
  ['uninstall', 'mounter teardown undoes prepare; when it has, remove the directory that mounter is in'],
]);

/** Those whose every call is for the record; `exec` runs a program that may change anything. */
const changing: readonly string[] = [
  'install',
  'prepare',
  'enable',
  'disable',
  'teardown',
  'rollback',
  'prune',
  'exec',
];

/** Whether a call of this command is for the record even when nothing failed. */
export function changesNode([word, ...rest]: readonly string[]): boolean {
  if (word === undefined || asksForHelp(rest)) return false;
  return changing.includes(word) || (word === 'doctor' && rest.includes('--repair'));
}

/** Runs the command that the first word names. */
export async function runCommand(argv: readonly string[], context: CommandContext): Promise<number> {
  const [word, ...rest] = argv;
  if (word === '--help' || word === '-h') return (await help())([], context);
  if (word === '--version') return runCommand(['version', ...rest], context);
  if (word === undefined) {
    throw new MounterError('no command', { status: exitCode.usage, hint: 'see mounter --help' });
  }
  const load = Object.hasOwn(commands, word) ? commands[word] : undefined;
  if (load !== undefined && asksForHelp(rest)) return (await help())([word], context);
  if (load !== undefined) return await runLoaded(await load(), rest, context);
  const near = nearest(word, ['mount', ...commandNames]);
  throw new MounterError('unknown command', {
    subject: word,
    status: exitCode.usage,
    hint:
      otherWays.get(word) ??
      (near === undefined ? 'see mounter --help' : `did you mean mounter ${near}? See mounter --help`),
  });
}

/** Before `--`: what follows it is another program's. */
function asksForHelp(argv: readonly string[]): boolean {
  const end = argv.indexOf('--');
  return (end < 0 ? argv : argv.slice(0, end)).some((word) => word === '--help' || word === '-h');
}

async function runLoaded(command: Command, argv: readonly string[], context: CommandContext) {
  try {
    return await command(argv, context);
  } catch (error) {
    throw (await import('../host/system-error.ts')).asSystemError(error);
  }
}

const help = async () => (await import('./help.ts')).help;
