import { posix } from 'node:path';
import { MounterError } from '../errors.ts';
import { exitCode } from '../exit-codes.ts';
import { readMountinfo } from '../host/mountinfo.ts';
import { ownArguments } from '../host/replace-process.ts';
import { readImageRecord } from '../image/versions/image-record.ts';
import { becomeKubelet } from '../kubelet/become.ts';
import { callerSettings } from '../kubelet/caller.ts';
import {
  argvBytes,
  type KubeletCommand,
  kubeletCommand,
  rootDirectoryFlag,
} from '../kubelet/command-line.ts';
import { parseHostRoot } from '../kubelet/host-root.ts';
import { requireImage } from '../kubelet/image-directory.ts';
import { kubeletDirectory, kubeletMount, type Offer } from '../kubelet/offer.ts';
import { findKubelet, pathInView } from '../kubelet/program.ts';
import { makeDirectories, planSharing, shareKubeletDirectory } from '../kubelet/share.ts';
import { type KubeletView, planView } from '../kubelet/view.ts';
import { readManifest, requireRoot } from '../node/node.ts';
import { withNodeLock } from '../node/node-lock.ts';
import { commandOf } from '../prepare/mount-actions.ts';
import { maskedArguments } from '../record/masked-words.ts';
import { isAtOrBelow } from '../rootfs/root-processes.ts';
import { maskSecrets } from '../secrets.ts';
import type { CommandContext } from './context.ts';
import { type Flags, parseFlags } from './flags.ts';

/** Where the image is extracted when `--rootfs` does not say it. */
export const defaultKubeletRoot = '/var/lib/containerized-mounter/kubelet';

/** `mounter kubelet -- [COMMAND] FLAGS…` @returns only from a dry run. */
export async function kubelet(argv: readonly string[], context: CommandContext): Promise<number> {
  const separator = argv.indexOf('--');
  const own = separator < 0 ? argv : argv.slice(0, separator);
  const words = separator < 0 ? [] : argv.slice(separator + 1);
  if (separator < 0) refuseOperand(own);
  const flags = parseFlags('kubelet', own, {
    boolean: ['dry-run', 'json', 'v', 'verbose'],
    string: ['rootfs', 'root-dir', 'host-root'],
    operands: [0, 0],
  });
  if (flags.has('json') && !flags.has('dry-run')) throw jsonAlone();
  if (!flags.has('dry-run')) requireRoot(context.host, 'running a kubelet in a rootfs');
  const offer = await offerOf(flags, words, context);
  const isToTell = flags.value('root-dir') !== undefined && rootDirectoryFlag(words) === undefined;
  const passed = isToTell ? [`--root-dir=${offer.rootDirectory}`] : [];
  const command = kubeletCommand(words, readImageRecord(offer.root), process.env, offer.root, passed);
  return flags.has('dry-run')
    ? dryRun(flags, offer, command, context)
    : await run(flags, offer, command, context);
}

async function offerOf(flags: Flags, words: readonly string[], context: CommandContext): Promise<Offer> {
  const { host, layout } = context;
  const hostRoot = flags.value('host-root');
  const rootDirectory = rootDirectoryOf(flags.value('root-dir'), rootDirectoryFlag(words));
  const manifest = await readManifest(host, layout);
  const shared = [layout.home, kubeletMount({ manifest, rootDirectory }).host];
  const root = requireImage(flags.value('rootfs') ?? defaultKubeletRoot, shared);
  const mount = hostRoot === undefined ? undefined : parseHostRoot(hostRoot);
  return { root, manifest, rootDirectory, hostRoot: mount };
}

function dryRun(
  flags: Flags,
  offer: Offer,
  command: KubeletCommand,
  { host, output }: CommandContext,
): number {
  const view = planView(offer, command.imagePath, host);
  const path = findKubelet(offer.root, command.argv[0] ?? '', command.path);
  const actions = planSharing(kubeletDirectory(offer), host).map(commandOf);
  if (flags.has('json')) {
    const { workingDirectory } = command;
    const argv = maskedArguments(command.argv);
    const environment = Object.fromEntries([...command.environment].map(maskedVariable));
    const plan = {
      rootfs: offer.root,
      actions,
      programs: view.programs.map((directory) => ({ path: directory.path, ...countLinks(directory, view) })),
      mounts: view.mounts,
      skipped: view.skipped,
      path,
      argv,
      workingDirectory,
      environment,
    };
    output.out(`${JSON.stringify(plan, undefined, 2)}\n`);
    return exitCode.success;
  }
  const lines = actions.map((words) => words.filter((word) => word !== '--no-canonicalize').join(' '));
  output.out(
    [
      ...lines,
      'unshare --mount --propagation slave',
      ...view.programs.map((directory) => describeLinks(directory, view)),
      ...view.mounts.map(describeMount),
      ...view.skipped,
      [path, ...maskedArguments(command.argv).slice(1)].join(' '),
      '',
    ].join('\n'),
  );
  return exitCode.success;
}

type Directory = KubeletView['programs'][number];

function countLinks({ links }: Directory, { image }: KubeletView): { image: number; host: number } {
  const ofImage = [...links.values()].filter((to) => isAtOrBelow(to, image)).length;
  return { image: ofImage, host: links.size - ofImage };
}

function describeLinks(directory: Directory, view: KubeletView): string {
  const { image, host } = countLinks(directory, view);
  return `lays on ${directory.path}: ${image} of the image, ${host} that only the host has`;
}

function describeMount({
  from,
  to,
  type,
  propagation,
  readOnlyOptions,
}: KubeletView['mounts'][number]): string {
  const access = readOnlyOptions === undefined ? [] : [`-o ${readOnlyOptions}`];
  return ['mount', `--${type}`, ...access, `--make-r${propagation}`, from, to].join(' ');
}

function maskedVariable([name, value]: readonly [string, string]): readonly [string, string] {
  const text = `${name}=${value}`;
  return [name, maskSecrets(text) === text ? value : '<masked>'];
}

async function run(
  flags: Flags,
  offer: Offer,
  command: KubeletCommand,
  { host, output }: CommandContext,
): Promise<never> {
  const isVerbose = flags.has('v') || flags.has('verbose');
  const say = (lines: readonly string[]) => {
    if (isVerbose) output.err(lines.map((line) => `mounter: ${line}\n`).join(''));
  };
  // Before anything is mounted: a mistyped command is no reason to.
  const path = findKubelet(offer.root, command.argv[0] ?? '', command.path);
  const caller = await callerSettings(host, process.ppid);
  const argv = argvBytes(command, ownArguments());
  makeDirectories(offer);
  const view = planView(offer, command.imagePath, host);
  await withNodeLock(async () => say(await shareKubeletDirectory(offer, host)));
  say(view.skipped);
  const { enterDirectory, enterView } = await import('../kubelet/enter.ts');
  enterView(view, readMountinfo(host));
  const directory = enterDirectory(offer.root, command.workingDirectory);
  say([
    `runs ${[path, ...maskedArguments(command.argv).slice(1)].join(' ')} of ${offer.root}, working directory ${directory}`,
  ]);
  return await becomeKubelet(pathInView(offer.root, path), argv, command.environment, caller);
}

/** @throws MounterError (usage) when the kubelet would work in a directory that nobody shares with it. */
function rootDirectoryOf(own: string | undefined, kubelets: string | undefined): string | undefined {
  const path = own ?? kubelets;
  if (path === undefined) return undefined;
  if (own !== undefined && kubelets !== undefined && posix.normalize(own) !== posix.normalize(kubelets))
    throw badRootDirectory(own, `the kubelet's own --root-dir is another one: ${kubelets}`);
  const normal = posix.normalize(path).replace(/(?<=.)\/$/, '');
  if (normal.startsWith('/') && normal !== '/') return normal;
  throw badRootDirectory(path, 'is no absolute path of a directory below /');
}

function badRootDirectory(subject: string, message: string): MounterError {
  const hint = 'name the same absolute path in both, or in one of them alone';
  return new MounterError(message, { subject, status: exitCode.usage, hint });
}

function refuseOperand(own: readonly string[]): void {
  const [first] = own;
  if (first === undefined || first.startsWith('-')) return;
  throw new MounterError('the command has no -- before it', {
    subject: first,
    status: exitCode.usage,
    hint: `mounter kubelet -- ${maskedArguments(own).join(' ')} …`,
  });
}

function jsonAlone(): MounterError {
  return new MounterError('goes with --dry-run alone: the kubelet has the output otherwise', {
    subject: '--json',
    status: exitCode.usage,
    hint: 'mounter kubelet --dry-run --json -- …',
  });
}
