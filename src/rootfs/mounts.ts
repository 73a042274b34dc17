import { MounterError } from '../errors.ts';
import { exitCode } from '../exit-codes.ts';
import { type MountEntry, mountAt, mountsBelow } from '../host/mountinfo.ts';
import type { ManifestMount } from './manifest.ts';

/**
 * What `mounter prepare` mounts, decided from what is mounted: pure, so that a second run finds nothing to
 * do.
 */

/** One call of mount(8) or umount(8). */
export type MountAction =
  | {
      readonly kind: 'bind';
      readonly from: string;
      readonly to: string;
      readonly isRecursive: boolean;
      readonly propagation: 'private' | 'unchanged';
    }
  | { readonly kind: 'tmpfs'; readonly to: string }
  | {
      readonly kind: 'propagation';
      readonly to: string;
      readonly propagation: 'private' | 'rprivate' | 'rslave' | 'shared';
    }
  | { readonly kind: 'remount'; readonly to: string; readonly options: string }
  | { readonly kind: 'detach'; readonly to: string };

/** A manifest mount in the state it was found in. */
export interface ObservedMount {
  readonly mount: ManifestMount;
  /** Where it is to be, as the host names it: below `versions/<digest>`. */
  readonly target: string;
  /** The host directory and `target` are the same directory. */
  readonly isSame: boolean;
}

/** What stands at a mount point, from good to bad. */
export type MountState = 'ok' | 'missing' | 'wrong';

/**
 * MOUNTER_HOME as a private mount of its own: what is mounted below it is then copied nowhere, and one
 * umount takes all of it away. Executable, where the filesystem it is on is mounted noexec.
 */
export function planHome(home: string, entries: readonly MountEntry[]): readonly MountAction[] {
  const entry = mountAt(entries, home);
  const options = (entry ?? containingMount(entries, home)).mountOptions;
  const actions: MountAction[] = [];
  if (entry === undefined)
    actions.push({ kind: 'bind', from: home, to: home, isRecursive: false, propagation: 'private' });
  else if (!isPrivate(entry)) actions.push({ kind: 'propagation', to: home, propagation: 'private' });
  if (options.includes('noexec'))
    actions.push({ kind: 'remount', to: home, options: remountOptions(options, 'exec', 'noexec') });
  return actions;
}

/**
 * The options for `remount,bind`, which sets all flags of a mount anew: those it has, less `without`, and
 * `added`.
 */
function remountOptions(mountOptions: readonly string[], added: string, without?: string): string {
  const flags = ['ro', 'nosuid', 'nodev', 'noexec', 'noatime', 'nodiratime', 'relatime'];
  const kept = flags.filter((flag) => mountOptions.includes(flag) && flag !== without && flag !== added);
  return [...kept, added].join(',');
}

/**
 * The kubelet directory as a shared mount with a peer group of its own, so that a volume propagates to the
 * rootfs and nowhere else. A bind of a directory on a shared `/` would join the peer group of `/` and every
 * volume would be mounted there once more: hence private first, then shared.
 *
 * Where volumes are mounted below it already and it is no mount point, a bind would hide them: it then
 * stays in the peer group of the mount that holds it.
 * @throws MounterError (system) when that one is not shared.
 */
export function planShared(directory: string, entries: readonly MountEntry[]): readonly MountAction[] {
  const share: MountAction = { kind: 'propagation', to: directory, propagation: 'shared' };
  const entry = mountAt(entries, directory);
  if (entry !== undefined) {
    if (entry.peerGroup === undefined) return [share];
    return isOwnPeerGroup(entry, directory, entries)
      ? []
      : [{ kind: 'propagation', to: directory, propagation: 'private' }, share];
  }
  const below = mountsBelow(entries, directory).length;
  if (below === 0)
    return [
      { kind: 'bind', from: directory, to: directory, isRecursive: false, propagation: 'private' },
      share,
    ];
  const holder = containingMount(entries, directory);
  if (holder.peerGroup !== undefined) return [];
  throw new MounterError(
    `${below} mounts are below it, and ${holder.mountPoint}, on which it lies, is not shared`,
    {
      subject: directory,
      status: exitCode.system,
      hint: `run mount --make-shared ${holder.mountPoint}, or prepare before kubelet starts`,
    },
  );
}

/** True when nothing outside `directory` and its counterparts in a rootfs receives its mounts. */
function isOwnPeerGroup(entry: MountEntry, directory: string, entries: readonly MountEntry[]): boolean {
  return entries.every(
    (other) => other.peerGroup !== entry.peerGroup || other.mountPoint.endsWith(directory),
  );
}

/** What one manifest mount needs, to be there once and as the manifest says. */
export function planRootfsMount(
  observed: ObservedMount,
  entries: readonly MountEntry[],
): readonly MountAction[] {
  switch (stateOf(observed, entries)) {
    case 'ok':
      return [];
    case 'missing':
      return mountActions(observed, entries);
    case 'wrong':
      return [...detachActions(observed.target, entries), ...mountActions(observed, entries)];
  }
}

export function stateOf(
  { mount, target, isSame }: ObservedMount,
  entries: readonly MountEntry[],
): MountState {
  const stack = entries.filter((entry) => entry.mountPoint === target);
  const entry = stack.at(-1);
  if (entry === undefined) return 'missing';
  if (stack.length > 1) return 'wrong';
  if (mount.type === 'tmpfs') return entry.fstype === 'tmpfs' ? 'ok' : 'wrong';
  if (!isSame || !hasPropagation(mount, entry, entries)) return 'wrong';
  return entry.mountOptions.includes('ro') || mount.access === 'rw' ? 'ok' : 'wrong';
}

function hasPropagation(mount: ManifestMount, entry: MountEntry, entries: readonly MountEntry[]): boolean {
  switch (mount.propagation) {
    case 'private':
      return isPrivate(entry);
    case 'slave':
      return entry.master !== undefined;
    case 'shared':
      return entry.peerGroup !== undefined && entry.peerGroup === sharedPeerGroup(mount.host ?? '', entries);
    default:
      return mount.propagation satisfies never;
  }
}

function sharedPeerGroup(directory: string, entries: readonly MountEntry[]): number | undefined {
  return (mountAt(entries, directory) ?? containingMount(entries, directory)).peerGroup;
}

function isPrivate(entry: MountEntry): boolean {
  return entry.peerGroup === undefined && entry.master === undefined;
}

function mountActions(
  { mount, target }: ObservedMount,
  entries: readonly MountEntry[],
): readonly MountAction[] {
  if (mount.host === undefined) return [{ kind: 'tmpfs', to: target }];
  const isRecursive = mount.type === 'rbind';
  const actions: MountAction[] = [
    {
      kind: 'bind',
      from: mount.host,
      to: target,
      isRecursive,
      propagation: mount.propagation === 'private' && !isRecursive ? 'private' : 'unchanged',
    },
  ];
  if (mount.propagation === 'slave') actions.push({ kind: 'propagation', to: target, propagation: 'rslave' });
  if (mount.propagation === 'private' && isRecursive)
    actions.push({ kind: 'propagation', to: target, propagation: 'rprivate' });
  if (mount.access === 'ro') {
    const { mountOptions } = containingMount(entries, mount.host);
    actions.push({ kind: 'remount', to: target, options: remountOptions(mountOptions, 'ro') });
  }
  return actions;
}

/** Private first: else the volumes below a shared one would be unmounted on the host as well. */
function detachActions(target: string, entries: readonly MountEntry[]): readonly MountAction[] {
  const layers = entries.filter((entry) => entry.mountPoint === target);
  return layers.flatMap((): MountAction[] => [
    { kind: 'propagation', to: target, propagation: 'rprivate' },
    { kind: 'detach', to: target },
  ]);
}

/** The mount that `directory` lies on. */
export function containingMount(entries: readonly MountEntry[], directory: string): MountEntry {
  const holders = entries.filter(
    ({ mountPoint }) =>
      mountPoint === '/' || mountPoint === directory || directory.startsWith(`${mountPoint}/`),
  );
  const longest = Math.max(...holders.map(({ mountPoint }) => mountPoint.length));
  const holder = holders.findLast(({ mountPoint }) => mountPoint.length === longest);
  if (holder !== undefined) return holder;
  throw new MounterError('no mount in /proc/self/mountinfo holds it', {
    subject: directory,
    status: exitCode.system,
  });
}

/** mount(8) and umount(8) for one action: the program and its arguments. */
export function commandOf(action: MountAction): readonly [program: string, ...args: string[]] {
  switch (action.kind) {
    case 'bind': {
      const propagation = action.propagation === 'private' ? ['--make-private'] : [];
      return [
        'mount',
        '--no-canonicalize',
        action.isRecursive ? '--rbind' : '--bind',
        ...propagation,
        action.from,
        action.to,
      ];
    }
    case 'tmpfs':
      return [
        'mount',
        '--no-canonicalize',
        '-t',
        'tmpfs',
        '-o',
        'mode=0755,nosuid,nodev',
        'tmpfs',
        action.to,
      ];
    case 'propagation':
      return ['mount', '--no-canonicalize', `--make-${action.propagation}`, action.to];
    case 'remount':
      return ['mount', '--no-canonicalize', '-o', `remount,bind,${action.options}`, action.to];
    case 'detach':
      return ['umount', '--no-canonicalize', '-l', action.to];
    default:
      return action satisfies never;
  }
}
