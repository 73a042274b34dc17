import { existsSync, lstatSync, realpathSync, statSync } from 'node:fs';
import { MounterError } from '../errors.ts';
import { exitCode } from '../exit-codes.ts';
import { isOffered, type MountTarget, mountTargetOf } from './mount-target.ts';
import { type HostMount, type Offer, offeredMounts } from './offer.ts';

/** What of the host the kubelet is to have, and where in its root. */

export interface WantedMount {
  readonly mount: HostMount;
  /** The host path without symlinks, as mountinfo has it. */
  readonly source: string;
  readonly isDirectory: boolean;
  readonly target: MountTarget;
}

export interface WantedMounts {
  /** In the order in which they are to be mounted; the kubelet directory is the first. */
  readonly mounts: readonly WantedMount[];
  /** Files that lie in what is mounted already: a symlink shows them also when the host puts another in their place. */
  readonly links: readonly { readonly path: string; readonly to: string }[];
  /** Why others are left out, a line each. */
  readonly skipped: readonly string[];
}

/** @throws MounterError (system) for a missing path that is not optional, or a mount point that can't be one. */
export function wantedMounts(offer: Offer): WantedMounts {
  const wanted = { mounts: [], links: [], skipped: [] };
  for (const mount of offeredMounts(offer)) addMount(mount, offer.root, wanted);
  return wanted;
}

type Collected = { readonly [K in keyof WantedMounts]: WantedMounts[K][number][] };

function addMount(mount: HostMount, root: string, { mounts, links, skipped }: Collected): void {
  if (!existsSync(mount.host)) {
    if (!mount.optional) throw missing(mount);
    skipped.push(`${mount.host}: left out: this host has none`);
    return;
  }
  const source = realpathSync(mount.host);
  const isDirectory = statSync(source).isDirectory();
  const inside = isDirectory ? undefined : insidePath(source, mounts);
  if (inside !== undefined) {
    links.push({ path: mount.rootfs, to: inside });
    return;
  }
  const offered = offeredBy({ mounts });
  const target = mountTargetOf(root, mount.rootfs, isDirectory, offered);
  if (isDirectory && isOffered(target.path, offered)) {
    refuseOther(mount, target.path, mounts);
    skipped.push(`${mount.rootfs}: left out: it is ${target.path}, which is offered already`);
  } else {
    refuseHiding(mount, target.path, mounts);
    mounts.push({ mount, source, isDirectory, target });
  }
}

/** What is mounted later would lie over it, and a kubelet directory be no shared one any more. */
function refuseHiding({ host }: HostMount, path: string, mounts: readonly WantedMount[]): void {
  const hidden = mounts.find(({ target }) => target.path.startsWith(`${path}/`));
  if (hidden === undefined) return;
  throw new MounterError(`would hide ${hidden.mount.host}, which is mounted in it`, {
    subject: host,
    status: exitCode.system,
    hint: 'choose another directory, or name this one earlier in mounts.kubelet of the manifest',
  });
}

/** Paths inside the image on which directories of the host are mounted. */
export function offeredBy({ mounts }: Pick<WantedMounts, 'mounts'>): readonly string[] {
  return mounts.flatMap((other) => (other.isDirectory ? [other.target.path] : []));
}

/** Where a path of the host is seen inside by what is mounted there. */
function insidePath(source: string, mounts: readonly WantedMount[]): string | undefined {
  const outer = mounts.find((other) => other.mount.type === 'rbind' && source.startsWith(`${other.source}/`));
  return outer === undefined ? undefined : outer.target.path + source.slice(outer.source.length);
}

/** A directory that appears a second time has to be the same directory. */
function refuseOther({ host }: HostMount, path: string, mounts: readonly WantedMount[]): void {
  const outer = mounts.find(({ target }) => path === target.path || path.startsWith(`${target.path}/`));
  const there = outer === undefined ? '' : outer.source + path.slice(outer.target.path.length);
  if (realpathSync(host) === there && (outer?.source === there || outer?.mount.type === 'rbind')) return;
  throw new MounterError(`its place in the image is ${path}, where ${outer?.mount.host} is mounted`, {
    subject: host,
    status: exitCode.system,
    hint: 'choose another directory, or change mounts.kubelet of the manifest',
  });
}

function missing({ host }: HostMount): MounterError {
  const isDangling = lstatSync(host, { throwIfNoEntry: false }) !== undefined;
  return new MounterError(isDangling ? 'is a symlink that leads nowhere' : 'this host path does not exist', {
    subject: host,
    status: exitCode.system,
    hint: 'make it, or mark it "optional" in mounts.kubelet of the manifest; the kubelet directory has to be there',
  });
}
