import { posix } from 'node:path';
import { MounterError } from '../errors.ts';
import { exitCode } from '../exit-codes.ts';
import type { Host } from '../host/host.ts';
import { readMountinfo } from '../host/mountinfo.ts';
import { ownArguments } from '../host/replace-process.ts';
import { readImageRecord } from '../image/versions/image-record.ts';
import type { Layout } from '../node/layout.ts';
import { withNodeLock } from '../node/lock.ts';
import { readManifest } from '../node/node.ts';
import { maskedArguments } from '../secrets.ts';
import { type CallerSettings, callerSettings } from './caller.ts';
import { argvBytes, type KubeletCommand, kubeletCommand, rootDirectoryFlag } from './command-line.ts';
import { requireImage } from './image-directory.ts';
import { kubeletMount, type Offer, parseHostRoot } from './offer.ts';
import { findKubelet, pathInView } from './program.ts';
import { makeDirectories, shareKubeletDirectory } from './share.ts';
import { planView } from './view.ts';

/** What a call of `mounter kubelet` asks for. */
export interface KubeletRequest {
  /** Where the image is extracted. */
  readonly rootfs: string;
  readonly rootDirectory: string | undefined;
  /** `PATH[:slave|shared]` */
  readonly hostRoot: string | undefined;
  /** What follows `--`. */
  readonly words: readonly string[];
}

/** A kubelet to be run, and what it is to see. */
export interface ChosenKubelet {
  readonly offer: Offer;
  readonly command: KubeletCommand;
}

/**
 * Looks, and changes nothing.
 * @throws MounterError (usage) for paths that contradict each other or cannot be offered, (system) for an image or a
 *   manifest that is missing.
 */
export async function chooseKubelet(
  { rootfs, rootDirectory, hostRoot, words }: KubeletRequest,
  { host, layout }: { readonly host: Host; readonly layout: Layout },
): Promise<ChosenKubelet> {
  const ofKubelet = rootDirectoryFlag(words);
  const chosen = rootDirectoryOf(rootDirectory, ofKubelet);
  const manifest = await readManifest(host, layout);
  const shared = [layout.home, kubeletMount({ manifest, rootDirectory: chosen }).host];
  const root = requireImage(rootfs, shared);
  const mount = hostRoot === undefined ? undefined : parseHostRoot(hostRoot);
  const passed = rootDirectory !== undefined && ofKubelet === undefined ? [`--root-dir=${chosen}`] : [];
  return {
    offer: { root, manifest, rootDirectory: chosen, hostRoot: mount },
    command: kubeletCommand(words, readImageRecord(root), process.env, root, passed),
  };
}

/**
 * Makes the view, and becomes the kubelet in it.
 * @param say told what is mounted and left out, a line each.
 */
export async function startKubelet(
  { offer, command }: ChosenKubelet,
  host: Host,
  say: (lines: readonly string[]) => void,
): Promise<never> {
  // Before anything is mounted: a mistyped command is no reason to.
  const path = findKubelet(offer.root, command.argv[0] ?? '', command.path);
  const caller = await callerSettings(host, process.ppid);
  const argv = argvBytes(command, ownArguments());
  makeDirectories(offer);
  const view = planView(offer, command.imagePath, host);
  await withNodeLock(async () => say(await shareKubeletDirectory(offer, host)));
  say(view.skipped);
  const { enterDirectory, enterView } = await import('./enter.ts');
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

/**
 * The command takes this process's place: its pid, its parent, its environment, its descriptors, and what of umask,
 * signals and limits the caller had set.
 * @throws like node:fs when the kernel does not start it.
 */
async function becomeKubelet(
  path: string,
  argv: readonly Buffer[],
  environment: KubeletCommand['environment'],
  caller: CallerSettings,
): Promise<never> {
  const calls = await import('../host/process-calls.ts');
  for (const [name, value] of environment) calls.setEnvironment(name, value, false);
  if (!caller.isSigpipeIgnored) calls.restoreSignal('SIGPIPE');
  calls.restoreSignal('SIGXFSZ');
  process.umask(caller.umask);
  for (const signal of caller.ignoredSignals) calls.ignoreSignal(signal);
  if (caller.openFiles !== undefined) calls.limitOpenFiles(caller.openFiles, caller.maximumOpenFiles);
  // The runtime has sockets and pipes among them not wait. Nobody's program is made for that, and lines would be lost.
  for (const fd of [0, 1, 2]) calls.makeWaiting(fd);
  calls.keepDescriptors(3, passedDescriptors(process.env));
  return calls.execute(path, argv);
}

/**
 * Sockets and files that systemd has opened for us. The runtime marks what is open at its start close-on-exec;
 * of all others nobody knows whose they are.
 * @see sd_listen_fds(3)
 */
function passedDescriptors({ LISTEN_PID, LISTEN_FDS }: NodeJS.ProcessEnv): number {
  return LISTEN_PID === String(process.pid) && /^\d{1,4}$/.test(LISTEN_FDS ?? '') ? Number(LISTEN_FDS) : 0;
}
