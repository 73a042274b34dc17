import { existsSync, lstatSync, realpathSync, type Stats, statSync } from 'node:fs';
import type { Host } from '../host/host.ts';
import { isRootOnly } from '../host/mount-host.ts';
import { containingMount } from '../host/mount-tree.ts';
import { type MountEntry, mountAt, mountsBelow } from '../host/mountinfo.ts';
import { raiseLimit } from '../host/system-error.ts';
import type { ManifestMount } from '../manifest/manifest.ts';
import { identityMounts, isShared, type SharedDirectory } from '../manifest/shared-mounts.ts';
import { lockingTypes, typesThat } from '../mount/filesystems/all.ts';
import { observeRootfs } from '../prepare/mount-states.ts';
import { mountsAboveVolumes, type ObservedMount, stateOf } from '../prepare/mounts.ts';
import { canMount, mountsSeen, planHomeOf } from '../prepare/prepare.ts';
import { strangerIn } from '../prepare/shared-mount.ts';
import { wantedEnter } from '../rootfs/entrance.ts';
import { type DoctorContext, isNetworkMount } from './context.ts';
import { failing, type Judgement, ok, warning } from './finding.ts';
import type { Found } from './installation.ts';
import { remountedHint } from './space.ts';

const prepare = 'run mounter prepare';

/** @param inUse how mounts are made now; undefined where the version is not prepared. */
export function judgePreparation(
  { root, manifest }: Found,
  inUse: 'attach' | 'chroot' | undefined,
  host: Host,
): readonly Judgement[] {
  const wanted = wantedEnter(manifest, host);
  if (inUse === undefined) return [failing(root, 'is not prepared', prepare)];
  if (inUse === wanted) return [];
  const message = `mounts are made by "enter": "${inUse}" still; the settings have "${wanted}"`;
  return [warning(root, message, `${prepare}, which changes it; volumes stay mounted`)];
}

/** What `mounter prepare` mounts, one by one. */
export async function checkMounts(context: DoctorContext): Promise<readonly Judgement[]> {
  const { host, root, manifest, entries } = context;
  const mounts = mountsSeen(context);
  const remote = mounts.filter((mount) => isOnServer(mount, entries));
  const local = mounts.filter((mount) => !remote.includes(mount));
  const seen = await observeRootfs(root, local, { host, manifest });
  return [
    ...judgeHome(context),
    ...(await judgeNamespaces(context)),
    ...remote.map(({ host: path = '' }) => warning(path, notLookedAt, 'keep it on a local disk')),
    ...seen.observed.map((observed) => ({
      ...judgeMount(observed, seen.entries ?? [], entries),
      ...typesWith(observed, context),
    })),
  ];
}

/** The types whose mounts need it: where helpers have a view of their own, what services have is for locks alone. */
function typesWith(
  { mount: { rootfs: path }, source, isSame }: ObservedMount,
  { manifest, entries }: DoctorContext,
): Pick<Judgement, 'types'> {
  const isScript = path === manifest.daemons.startStatd;
  // It is read, and never written.
  if (isScript && isSame && source !== undefined && isReadOnly(source, entries)) return { types: [] };
  const isOfServices = manifest.enter === 'attach' || isScript;
  const needing = typesThat(manifest, ({ writesTo }) => writesTo.some((place) => place.path === path));
  const locking = lockingTypes(manifest);
  if (needing.length > 0)
    return { types: isOfServices ? needing.filter((type) => locking.includes(type)) : needing };
  return isOfServices ? { types: locking } : {};
}

/** Whether mounts are let in: those directories that all targets lie in, which others than root may not write to. */
export function checkTargets({ manifest, entries }: DoctorContext): readonly Judgement[] {
  return identityMounts(manifest.mounts)
    .filter((directory) => !isNetworkMount(directory, entries))
    .flatMap((directory) => {
      // The kubelet directory itself may be a symlink, and nothing below it.
      const judged = judgeTargets(directory, statSync(directory, { throwIfNoEntry: false }));
      if (judged.some(({ level }) => level === 'failing')) return judged;
      const below = [`${directory}/pods`, `${directory}/plugins`].flatMap((path) =>
        judgeTargets(path, lstatSync(path, { throwIfNoEntry: false })),
      );
      return [...judged, ...below.filter(({ level }) => level === 'failing')];
    });
}

function judgeTargets(path: string, status: Stats | undefined): readonly Judgement[] {
  if (status === undefined) return []; // kubelet makes it.
  const refusal = 'every mount in it is refused';
  if (!status.isDirectory())
    return [failing(path, `is no directory: ${refusal}`, `move it away; kubelet makes ${path} anew`)];
  if (isRootOnly(status)) return [ok(path, "is root's alone to write in")];
  const mend = `run chown root:root ${path} && chmod go-w ${path}`;
  return [failing(path, `others than root can write in it, so that ${refusal}`, mend)];
}

function judgeHome(context: DoctorContext): readonly Judgement[] {
  const { host, layout, manifest, entries } = context;
  const actions = planHomeOf(context, entries);
  if (actions.some((action) => action.kind === 'remount'))
    return [failing(layout.home, 'lies on a filesystem that is mounted noexec', prepare)];
  if (actions.length > 0)
    return [warning(layout.home, 'is no private mount: what is mounted in it is copied', prepare)];
  return wantedEnter(manifest, host) === 'chroot' ? [ok(layout.home, 'is a private mount')] : [];
}

async function judgeNamespaces(context: DoctorContext): Promise<readonly Judgement[]> {
  const { root, manifest, entries } = context;
  if (manifest.enter === 'chroot') return [];
  return [
    (await canMount(root, context, (mount) => !isOnServer(mount, entries)))
      ? ok(root, 'has mount namespaces of its own, which are pinned')
      : failing(root, 'has no mount namespace to make mounts in', prepare),
  ];
}

function isOnServer({ host }: ManifestMount, entries: readonly MountEntry[]): boolean {
  return host !== undefined && isNetworkMount(host, entries);
}

const notLookedAt = 'lies on a network filesystem, and was not looked at';

/**
 * @param entries with its target.
 * @param hostEntries with its source; another table where the rootfs has a mount namespace of its own.
 */
function judgeMount(
  observed: ObservedMount,
  entries: readonly MountEntry[],
  hostEntries: readonly MountEntry[],
): Judgement {
  const { mount, source, target } = observed;
  const subject = source ?? target;
  switch (stateOf(observed, entries, hostEntries)) {
    case 'ok':
      return ok(subject, `is ${mount.rootfs} in the rootfs, ${mount.access} and ${mount.propagation}`);
    case 'missing':
      return failing(subject, `is not mounted in the rootfs, on ${mount.rootfs}`, prepare);
    case 'wrong':
      if (source !== undefined && mount.access === 'rw' && isReadOnly(source, hostEntries))
        return failing(subject, 'is read-only on the host itself', remountedHint(source));
      return failing(subject, `${faultOf(observed, entries)}, on ${mount.rootfs} of the rootfs`, prepare);
  }
}

function isReadOnly(path: string, entries: readonly MountEntry[]): boolean {
  return containingMount(entries, path).mountOptions.includes('ro');
}

function faultOf({ mount, target, isSame }: ObservedMount, entries: readonly MountEntry[]): string {
  const layers = entries.filter(({ mountPoint }) => mountPoint === target);
  if (layers.length > 1) return `is mounted ${layers.length} times`;
  if (!isSame && mount.type !== 'tmpfs') return 'is another directory than the one that is mounted';
  return `is not mounted ${mount.access} and ${mount.propagation}`;
}

/** With chroot(2), whether what is mounted in the rootfs reaches the host, and nothing besides. */
export function checkPropagation({ host: node, manifest, entries }: DoctorContext): readonly Judgement[] {
  if (wantedEnter(manifest, node) !== 'chroot') return [];
  return manifest.mounts.mounter.filter(isShared).flatMap(({ host, rootfs }) => {
    if (host === undefined || isNetworkMount(host, entries)) return [];
    if (!existsSync(host)) return [failing(host, 'does not exist', prepare)];
    const directory = realpathSync(host);
    return [
      judgePropagation({ host: directory, rootfs }, entries),
      ...mountsAboveVolumes(directory, entries)
        .filter(({ peerGroup }) => peerGroup === undefined)
        .map(({ mountPoint }) => notShared(mountPoint)),
    ];
  });
}

function notShared(directory: string): Judgement {
  return failing(directory, 'is not shared: a volume would not appear on the host', prepare);
}

export function judgePropagation(directory: SharedDirectory, entries: readonly MountEntry[]): Judgement {
  const { host } = directory;
  const own = mountAt(entries, host);
  const entry = own ?? containingMount(entries, host);
  if (entry.peerGroup === undefined) return notShared(host);
  const stranger = own === undefined ? undefined : strangerIn(own, directory, entries);
  if (own !== undefined && stranger === undefined)
    return ok(host, `is shared, with peer group ${entry.peerGroup} of its own`);
  const volumes = mountsBelow(entries, host).length;
  const place =
    stranger === undefined
      ? `is no mount of its own, but a directory of ${entry.mountPoint}, which is shared`
      : `is in the peer group of ${stranger.mountPoint}`;
  return warning(
    host,
    `${place}: each volume is copied once more`,
    volumes === 0 ? prepare : `${prepare} while nothing is mounted below it (drain the node first)`,
  );
}

/** fs.mount-max limits the mounts of each mount namespace; beyond it mount(2) answers ENOSPC. */
export function checkMountMax({ host, entries }: DoctorContext): readonly Judgement[] {
  const maximum = Number(host.readText('/proc/sys/fs/mount-max')?.trim());
  return Number.isFinite(maximum) ? [judgeMountMax(entries.length, maximum)] : [];
}

export function judgeMountMax(count: number, maximum: number): Judgement {
  const message = `${count} of ${maximum} mounts (fs.mount-max)`;
  const hint = `see the duplicates above, or ${raiseLimit('fs.mount-max')}`;
  // A volume takes two where the rootfs is entered by chroot(2): on the host and in the rootfs.
  if (count + 2 > maximum) return failing('/proc/self/mountinfo', message, hint);
  if (count > 0.8 * maximum) return warning('/proc/self/mountinfo', message, hint);
  return ok('/proc/self/mountinfo', message);
}
