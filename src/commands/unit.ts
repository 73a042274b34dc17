import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { MounterError } from '../errors.ts';
import { exitCode } from '../exit-codes.ts';
import { unitDirectory } from '../lock-services/lock-services.ts';
import { isSystemdRunning } from '../lock-services/scope.ts';
import { nearest } from '../nearest.ts';
import { readManifest, requireRoot } from '../node/node.ts';
import { installUnits, removeUnits } from '../units/install.ts';
import { shellLine } from '../units/syntax.ts';
import {
  commandsOf,
  type Unit,
  type UnitContext,
  type UnitName,
  unitNames,
  unitsOf,
} from '../units/units.ts';
import type { CommandContext } from './context.ts';
import { type Flags, parseFlags } from './flags.ts';

/** `mounter unit [NAME]` */
export async function unit(argv: readonly string[], context: CommandContext): Promise<number> {
  const { own, command } = splitAtSeparator(argv);
  const flags = parseFlags('unit', own, {
    boolean: ['install', 'remove'],
    string: ['root', 'rootfs', 'root-dir', 'host-root'],
    operands: [0, 1],
  });
  const names = chosenNames(flags);
  const units = await unitContext(names, flags, command, context);
  const root = chosenRoot(flags);
  if (flags.has('install') || flags.has('remove')) return change(names, units, flags, root, context);
  const text =
    root === '' && !isSystemdRunning(context.host) ? shellText(names, units) : unitText(names, units, root);
  context.output.out(text);
  return exitCode.success;
}

/** What follows `--` is kubelet's, options and all. */
function splitAtSeparator(argv: readonly string[]) {
  const at = argv.indexOf('--');
  return at < 0 ? { own: argv, command: [] } : { own: argv.slice(0, at), command: argv.slice(at + 1) };
}

/** A node that runs its own kubelet has use for two of them. */
const usual: readonly UnitName[] = ['prepare', 'statd'];

function chosenNames(flags: Flags): readonly UnitName[] {
  const [word] = flags.operands;
  if (word === undefined) return flags.has('remove') ? unitNames : usual;
  const name = unitNames.find((name) => name === word);
  if (name !== undefined) return [name];
  const near = nearest(word, unitNames);
  throw usage(
    word,
    'no such unit',
    near === undefined ? `it is one of ${unitNames.join(', ')}` : `did you mean ${near}?`,
  );
}

async function unitContext(
  names: readonly UnitName[],
  flags: Flags,
  command: readonly string[],
  { host, layout }: CommandContext,
): Promise<UnitContext> {
  const kubeletArguments = kubeletArgumentsOf(flags, command);
  const isForKubelet = names.length === 1 && names[0] === 'kubelet';
  if (!isForKubelet && kubeletArguments.length > 0)
    throw usage(
      kubeletArguments[0] ?? '',
      'is for mounter unit kubelet alone',
      'name that unit, or leave it out',
    );
  return { layout, manifest: await readManifest(host, layout), kubeletArguments };
}

/** As `mounter kubelet` takes them; systemd runs it from another directory. */
function kubeletArgumentsOf(flags: Flags, command: readonly string[]): readonly string[] {
  const own = (['rootfs', 'root-dir', 'host-root'] as const).flatMap((name) => {
    const value = flags.value(name);
    return value === undefined ? [] : [`--${name}`, name === 'rootfs' ? resolve(value) : value];
  });
  return command.length === 0 ? own : [...own, '--', ...command];
}

/** '' for this node. */
function chosenRoot(flags: Flags): string {
  const root = flags.value('root');
  return root === undefined ? '' : resolve(root).replace(/^\/$/, '');
}

async function change(
  names: readonly UnitName[],
  unitContext: UnitContext,
  flags: Flags,
  root: string,
  { host, output }: CommandContext,
): Promise<number> {
  if (flags.has('install') && flags.has('remove'))
    throw usage('--remove', 'the opposite of --install', 'choose one');
  requireRoot(host, 'changing units');
  if (root === '' && !isSystemdRunning(host)) {
    const commands = lines(names, unitContext).join('; ');
    if (flags.has('install')) throw noSystemd(commands);
    output.out(
      `no systemd runs here, and no unit; take out of the node's init what it has of: ${commands}\n`,
    );
    return exitCode.success;
  }
  if (root !== '' && !existsSync(root))
    throw usage(root, 'no such directory', "--root is a node's root directory");
  const units = names.flatMap((name) => unitsOf(name, unitContext));
  const done = await (flags.has('install') ? installUnits : removeUnits)(units, { root });
  const nothing = flags.has('install') ? 'installed already; nothing to do' : 'not installed; nothing to do';
  output.out(done.length === 0 ? `${nothing}\n` : `${done.join('\n')}\n`);
  return exitCode.success;
}

function noSystemd(commands: string): MounterError {
  return new MounterError('systemd does not run on this node', {
    subject: 'unit',
    status: exitCode.system,
    hint: `have its init run, after each boot and before kubelet: ${commands}`,
  });
}

function shellText(names: readonly UnitName[], context: UnitContext): string {
  const text = [
    '# No systemd runs here. After each boot and before kubelet, as root:',
    ...lines(names, context),
  ];
  return `${text.join('\n')}\n`;
}

function lines(names: readonly UnitName[], context: UnitContext): readonly string[] {
  const commands = names.flatMap((name) => commandsOf(name, context)).map(shellLine);
  return [...new Set(commands)];
}

/** As systemctl cat shows them. */
function unitText(names: readonly UnitName[], context: UnitContext, root: string): string {
  const units = names.flatMap((name) => unitsOf(name, context));
  return units.map(({ fileName, text }: Unit) => `# ${root}${unitDirectory}/${fileName}\n${text}`).join('\n');
}

function usage(subject: string, message: string, hint: string): MounterError {
  return new MounterError(message, { subject, status: exitCode.usage, hint });
}
