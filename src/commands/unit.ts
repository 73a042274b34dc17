import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { MounterError } from '../errors.ts';
import { exitCode } from '../exit-codes.ts';
import type { Manifest } from '../manifest/manifest.ts';
import { usualMetricsFile } from '../node/layout.ts';
import { type BareNode, readManifest, requireRoot } from '../node/node.ts';
import { unitDirectory } from '../services/provide.ts';
import { isSystemdRunning } from '../services/scope.ts';
import { shellWord } from '../shell-word.ts';
import { shellLine } from '../units/syntax.ts';
import {
  commandsOf,
  type Unit,
  type UnitContext,
  type UnitName,
  unitNames,
  unitsOf,
  variablesOf,
} from '../units/units.ts';
import { type CommandContext, defineCommand, type FlagsOf, type FlagTable, told } from './command.ts';
import { driverNames } from './csi.ts';
import { oneOf } from './flags.ts';
import { viewFlags } from './kubelet.ts';

const flags = {
  '--install': `write them to /etc/systemd/system, enable and start them; kubelet is not started. A second run changes
    nothing`,
  '--remove': 'disable and remove them (all, without a name); what volumes need goes on',
  '--file FILE': `for metrics: what is written, such as ${usualMetricsFile}; its directory has to be there`,
  '--name NAMES': 'for csi: of the driver, with commas; see mounter csi',
  '--root DIR': 'of another system, such as an image that is being built; nothing is started',
  ...viewFlags,
  '--rootfs DIR': `for kubelet, as the next two: ${viewFlags['--rootfs DIR']}`,
} as const satisfies FlagTable;

type UnitFlags = FlagsOf<typeof flags>;

export const unit = defineCommand({
  name: 'unit',
  summary: 'print the systemd units that prepare the node at each boot; --install installs them',
  operands: `[${unitNames.join('|')}]`,
  program: '[[COMMAND] FLAGS…]',
  usage: [
    '[prepare|statd|kerberos|tls|kubelet-flag] [--install|--remove] [--root DIR]',
    'metrics --file FILE [--install|--remove] [--root DIR]',
    'csi [--name NAMES] [--install|--remove] [--root DIR]',
    'kubelet [--install|--remove] [--rootfs DIR] [--root-dir DIR] [--host-root PATH] [-- [COMMAND] FLAGS…]',
  ],
  flags,
  manual: [
    `Prints the systemd units that do at boot what is otherwise done by hand; where no systemd runs, a shell line
    that does the same. Without a name: prepare and statd. Before an install they are printed as they will be.`,
    [
      ['prepare', 'containerized-mounter-prepare.service: mounter prepare, before kubelet.service'],
      [
        'statd',
        `containerized-mounter-rpcbind.service and -statd.service: NFSv3 locks, started by the first mount that needs
        them and again when they die; and -notify.service: after a restart, servers are told to give up the locks that
        this node had`,
      ],
      [
        'kerberos',
        'containerized-mounter-gssd.service and -idmapd.service, started by mounts with sec=krb5, and again when they die',
      ],
      ['tls', 'containerized-mounter-tlshd.service, likewise for xprtsec=tls'],
      [
        'metrics',
        `containerized-mounter-metrics.timer and .service: mounter status --metrics FILE each minute, for
        node-exporter's textfile collector`,
      ],
      [
        'csi',
        'containerized-mounter-csi.service: mounter csi, where no DaemonSet serves; stopped or removed, it leaves volumes',
      ],
      ['kubelet', 'containerized-mounter-kubelet.service: mounter kubelet with these arguments'],
      [
        'kubelet-flag',
        `what makes the node's own kubelet.service call the mounter, where it takes KUBELET_EXTRA_ARGS, as kubeadm's does:
        --experimental-mounter-path, behind what /etc/default/kubelet, /etc/sysconfig/kubelet or a drop-in sets, else
        in a drop-in. From kubelet's next start on`,
      ],
    ],
  ],
  examples: [
    'mounter unit --install',
    'mounter unit prepare',
    `mounter unit metrics --install --file ${usualMetricsFile}`,
    'mounter unit kubelet-flag --install',
    'mounter unit kubelet --install --rootfs /opt/kubelet/v1.36.0 -- kubelet --config /etc/kubernetes/kubelet.yaml',
  ],
  run: async (given, context) => {
    const names = chosenNames(given);
    const units = await unitContext(names, given, context);
    const root = chosenRoot(given);
    if (given.has('install') || given.has('remove')) return change(names, units, given, root, context);
    const isForShell = root === '' && !isSystemdRunning(context.host);
    context.output.out(isForShell ? shellText(names, units) : unitText(names, units, root));
    return exitCode.success;
  },
});

/** A node that runs its own kubelet has use for two of them. */
const usual: readonly UnitName[] = ['prepare', 'statd'];

function chosenNames(flags: UnitFlags): readonly UnitName[] {
  const [word] = flags.operands;
  if (word === undefined) return flags.has('remove') ? unitNames : usual;
  return [oneOf(word, unitNames, 'no such unit')];
}

async function unitContext(
  names: readonly UnitName[],
  flags: UnitFlags,
  { host, layout }: CommandContext,
): Promise<UnitContext> {
  const kubeletArguments = kubeletArgumentsOf(flags);
  const isForKubelet = names.length === 1 && names[0] === 'kubelet';
  if (!isForKubelet && kubeletArguments.length > 0)
    throw usage(
      kubeletArguments[0] ?? '',
      'is for mounter unit kubelet alone',
      'name that unit, or leave it out',
    );
  const metricsFile = metricsFileOf(names, flags);
  const driverNames = driverNamesOf(names, flags);
  const manifest = await manifestFor(flags, { host, layout });
  return { layout, manifest, kubeletArguments, metricsFile, driverNames };
}

/** What is only printed, or taken away, needs none of this node's: nothing may be installed yet, or any more. */
async function manifestFor(flags: UnitFlags, { host, layout }: BareNode): Promise<Manifest> {
  if (flags.has('install') || host.lstat(layout.manifest) !== undefined) return readManifest(host, layout);
  return (await import('../manifest/shipped.ts')).shippedManifest();
}

function metricsFileOf(names: readonly UnitName[], flags: UnitFlags): string {
  const file = flags.value('file');
  const isForMetrics = names.length === 1 && names[0] === 'metrics';
  if (file !== undefined && !isForMetrics)
    throw usage('--file', 'is for mounter unit metrics alone', 'name that unit, or leave it out');
  if (file !== undefined) return resolve(file);
  if (!isForMetrics || flags.has('remove')) return 'FILE';
  throw usage(
    'metrics',
    'has no file to write',
    `add --file ${usualMetricsFile}, or another in the directory that node-exporter reads`,
  );
}

function driverNamesOf(names: readonly UnitName[], flags: UnitFlags): string | undefined {
  const words = flags.value('name');
  if (words === undefined) return undefined;
  if (names.length !== 1 || names[0] !== 'csi')
    throw usage('--name', 'is for mounter unit csi alone', 'name that unit, or leave it out');
  return driverNames('name', words).join(',');
}

/** As `mounter kubelet` takes them; systemd runs it from another directory. */
function kubeletArgumentsOf(flags: UnitFlags): readonly string[] {
  const own = (['rootfs', 'root-dir', 'host-root'] as const).flatMap((name) => {
    const value = flags.value(name);
    return value === undefined ? [] : [`--${name}`, name === 'rootfs' ? resolve(value) : value];
  });
  const { program = [] } = flags;
  return program.length === 0 ? own : [...own, '--', ...program];
}

/** '' for this node. */
function chosenRoot(flags: UnitFlags): string {
  const root = flags.value('root');
  return root === undefined ? '' : resolve(root).replace(/^\/$/, '');
}

async function change(
  names: readonly UnitName[],
  unitContext: UnitContext,
  flags: UnitFlags,
  root: string,
  { host, output }: CommandContext,
): Promise<number> {
  if (flags.has('install') && flags.has('remove'))
    throw usage('--remove', 'the opposite of --install', 'choose one');
  requireRoot(host, 'changing units');
  if (root === '' && !isSystemdRunning(host)) {
    const commands = lines(names, unitContext).join('; ');
    if (flags.has('install')) throw noSystemd(`${initsPart(names, unitContext)}: ${commands}`);
    output.out(
      `no systemd runs here, and no unit; take out of the node's init what it has of: ${commands}\n`,
    );
    return exitCode.success;
  }
  if (root !== '' && !existsSync(root))
    throw usage(root, 'no such directory', "--root is a node's root directory");
  const done = await (flags.has('install') ? installNamed : removeNamed)(names, unitContext, root);
  output.out(told(done, `${flags.has('install') ? 'installed already' : 'not installed'}; nothing to do`));
  return exitCode.success;
}

async function installNamed(
  names: readonly UnitName[],
  context: UnitContext,
  root: string,
): Promise<readonly string[]> {
  const { installUnits, reloadUnits, removeUnits } = await import('../units/install.ts');
  const { addKubeletFlag } = await import('../units/kubelet-flag.ts');
  const isOfFlag = names.includes('kubelet-flag');
  const added = isOfFlag ? addKubeletFlag(root, context.layout) : undefined;
  if (added !== undefined && added.length > 0) await reloadUnits(root);
  // Where somebody sets the variable, a drop-in of ours would set it to less.
  const isFlagElsewhere = added !== undefined;
  const needsDropIn = !isFlagElsewhere || variablesOf(context.layout).length > 0;
  const wanted = names.filter((name) => name !== 'kubelet-flag' || needsDropIn);
  const units = wanted.flatMap((name) => unitsOf(name, { ...context, isFlagElsewhere }));
  const done = [...(added ?? []), ...(units.length === 0 ? [] : await installUnits(units, root))];
  // Of an earlier run, with a variable that is not set now.
  if (isOfFlag && !needsDropIn) done.push(...(await removeUnits(unitsOf('kubelet-flag', context), root)));
  const isForStart = isOfFlag && done.length > 0 && root === '';
  return isForStart ? [...done, 'kubelet takes it from its next start on: systemctl restart kubelet'] : done;
}

async function removeNamed(
  names: readonly UnitName[],
  context: UnitContext,
  root: string,
): Promise<readonly string[]> {
  const { reloadUnits, removeUnits } = await import('../units/install.ts');
  const { removeKubeletFlag } = await import('../units/kubelet-flag.ts');
  const taken = names.includes('kubelet-flag') ? removeKubeletFlag(root, context.layout) : [];
  if (taken.length > 0) await reloadUnits(root);
  const units = names.flatMap((name) => unitsOf(name, context));
  return [...taken, ...(await removeUnits(units, root))];
}

function noSystemd(hint: string): MounterError {
  return new MounterError('systemd does not run on this node', {
    subject: 'unit',
    status: exitCode.system,
    hint,
  });
}

function initsPart(names: readonly UnitName[], { layout }: UnitContext): string {
  const set = variablesOf(layout).map((variable) => `, with ${shellWord(variable)} in its environment`);
  return names.length === 1 && names[0] === 'kubelet-flag'
    ? `have whatever starts kubelet give it this flag, too${set.join('')}`
    : 'have its init run, after each boot and before kubelet';
}

function shellText(names: readonly UnitName[], context: UnitContext): string {
  const text = [`# No systemd runs on this node: ${initsPart(names, context)}:`, ...lines(names, context)];
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
