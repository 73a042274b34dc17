import type { Host } from '../host/host.ts';
import { jsonOutput } from '../json.ts';
import { commandOf } from '../prepare/mount-actions.ts';
import { isAtOrBelow } from '../rootfs/root-processes.ts';
import { maskedArguments, maskSecrets } from '../secrets.ts';
import { kubeletDirectory } from './offer.ts';
import { findKubelet } from './program.ts';
import { planSharing } from './share.ts';
import type { ChosenKubelet } from './start.ts';
import { type KubeletView, planView } from './view.ts';

/** What `mounter kubelet --dry-run` prints: what would be mounted and run. */

function planned({ offer, command }: ChosenKubelet, host: Host) {
  return {
    view: planView(offer, command.imagePath, host),
    path: findKubelet(offer.root, command.argv[0] ?? '', command.path),
    actions: planSharing(kubeletDirectory(offer), host).map(commandOf),
    argv: maskedArguments(command.argv),
  };
}

/** What `--json` prints. */
export interface KubeletStartJson {
  /** The image's directory. */
  readonly rootfs: string;
  /** Commands that are run on the host first, word by word. */
  readonly actions: readonly (readonly string[])[];
  /** Directories of programs and libraries, with how many names in each are the image's, and the host's. */
  readonly programs: readonly { readonly path: string; readonly image: number; readonly host: number }[];
  readonly mounts: KubeletView['mounts'];
  /** What is left out, and why. */
  readonly skipped: readonly string[];
  /** The kubelet, in the image. */
  readonly path: string;
  /** Secrets are masked. */
  readonly argv: readonly string[];
  readonly workingDirectory: string;
  readonly environment: Readonly<Record<string, string>>;
}

/** For programs. @throws MounterError (126, 127) for a kubelet that cannot be run. */
export function startAsJson(chosen: ChosenKubelet, host: Host): string {
  const { offer, command } = chosen;
  const { view, path, actions, argv } = planned(chosen, host);
  const { workingDirectory } = command;
  const plan: KubeletStartJson = {
    rootfs: offer.root,
    actions,
    programs: view.programs.map((directory) => ({ path: directory.path, ...countLinks(directory, view) })),
    mounts: view.mounts,
    skipped: view.skipped,
    path,
    argv,
    workingDirectory,
    environment: Object.fromEntries([...command.environment].map(maskedVariable)),
  };
  return jsonOutput(plan);
}

/** For people, as commands where there are such. @throws MounterError (126, 127) for a kubelet that cannot be run. */
export function describeStart(chosen: ChosenKubelet, host: Host): string {
  const { view, path, actions, argv } = planned(chosen, host);
  return [
    ...actions.map((words) => words.filter((word) => word !== '--no-canonicalize').join(' ')),
    'unshare --mount --propagation slave',
    ...view.programs.map((directory) => describeLinks(directory, view)),
    ...view.mounts.map(describeMount),
    ...view.skipped,
    [path, ...argv.slice(1)].join(' '),
    '',
  ].join('\n');
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
