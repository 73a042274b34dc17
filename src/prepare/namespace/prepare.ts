import { closeSync, mkdirSync, writeFileSync } from 'node:fs';
import { MounterError } from '../../errors.ts';
import { exitCode } from '../../exit-codes.ts';
import { isSameFile } from '../../host/host.ts';
import { mountsBelow, readMountinfo } from '../../host/mountinfo.ts';
import { isErrnoException } from '../../host/system-error.ts';
import type { ManifestMount } from '../../manifest/manifest.ts';
import { isShared } from '../../manifest/shared-mounts.ts';
import { versionDirectories } from '../../node/layout.ts';
import type { NodeContext } from '../../node/node.ts';
import { helpersPin, isPinned } from '../../rootfs/entrance.ts';
import { applyActions } from '../mount-actions.ts';
import { sourceOf } from '../mount-points.ts';
import { isInPlace } from '../mount-states.ts';
import { planPins } from '../mounts.ts';
import { waitForRunningCalls } from '../running-calls.ts';
import type { ViewRequest } from './lay.ts';
import {
  claimPins,
  describe,
  descriptionOf,
  linkedPins,
  linkPins,
  newPins,
  otherPins,
  pinsDirectory,
  pinsOf,
  pinsOfOthers,
  removePins,
  unpinOthers,
  views,
} from './pins.ts';
import { boundDevices, fuseDevice, mountsOfView, usualDevices } from './views.ts';

/**
 * Gives a version its mount namespaces, unless it has them and all is in place. They are never mended: what runs in
 * old ones keeps those, and goes on there.
 *
 * They have no name before they are whole: killed at any moment, we leave nothing but what the next run removes.
 * @param root `versions/<digest>`, without symlinks.
 * @param mounts whose host path is there.
 * @returns what was done, a line each.
 * @throws MounterError (system) where they cannot be made; nothing of them is left then.
 */
export async function prepareNamespaces(
  root: string,
  mounts: readonly ManifestMount[],
  context: NodeContext,
): Promise<readonly string[]> {
  const { host } = context;
  mkdirSync(pinsDirectory, { recursive: true, mode: 0o700 });
  const done = [...(await removeUnlinkedPins(context))];
  done.push(...(await applyActions(planPins(pinsDirectory, readMountinfo(host)))));
  const description = describeViews(root, mounts, context);
  const current = pinsOf(root);
  if (current !== undefined && (await areInPlace(current, root, mounts, description, context))) {
    claimPins(current, context.layout, host);
    return done;
  }
  const pins = newPins(root, context.layout);
  try {
    for (const view of views) {
      writeFileSync(`${pins}/${view}`, '', { flag: 'wx', mode: 0o600 });
      const request = {
        view,
        root,
        mounts: mountsOfView(view, mounts),
        directories: targetDirectories(mounts),
        devices: boundDevices(context.manifest, host),
      };
      await makeNamespace(request, `${pins}/${view}`, context);
    }
    if (!(await isInPlace(root, mountsOfView('services', mounts), context, `${pins}/services`)))
      throw notInPlace(root);
    describe(pins, description);
    linkPins(root, pins);
  } catch (error) {
    await forget(pins, context);
    throw error;
  }
  return [...done, `made mount namespaces for ${root}`];
}

/** A run that was killed has left pins that no version's link leads to. @returns what was done, a line each. */
async function removeUnlinkedPins({ host, layout }: NodeContext): Promise<readonly string[]> {
  const linked = versionDirectories(layout, host).flatMap(linkedPins);
  const kept = [...linked, ...pinsOfOthers(layout, host)];
  // Killed after the link was set anew, it has not waited for those calls that have read the old one.
  if (otherPins(kept, readMountinfo(host)).length > 0) await waitForRunningCalls(host);
  return unpinOthers(kept, host);
}

/** The directories in which volumes are mounted. In the helpers' view each mount gets a filesystem of its own there. */
function targetDirectories(mounts: readonly ManifestMount[]): readonly string[] {
  return mounts.filter(isShared).map(({ rootfs }) => rootfs);
}

async function areInPlace(
  pins: string,
  root: string,
  mounts: readonly ManifestMount[],
  description: string,
  context: NodeContext,
): Promise<boolean> {
  const { host } = context;
  if (!views.every((view) => isPinned(host, `${pins}/${view}`))) return false;
  if (descriptionOf(pins, host) !== description) return false;
  return (
    (await isInPlace(root, mountsOfView('services', mounts), context)) &&
    (await isHelpersViewInPlace(root, mounts, context))
  );
}

/**
 * Whether mounts can be made: the namespace is pinned that each gets a copy of, and has what it was given. Without a
 * /proc in there nobody sees how; it is there or not.
 */
export async function isHelpersViewInPlace(
  root: string,
  mounts: readonly ManifestMount[],
  { host, manifest }: NodeContext,
): Promise<boolean> {
  const pin = helpersPin(root, host);
  if (pin === undefined || !isPinned(host, pin)) return false;
  const files = mountsOfView('helpers', mounts).flatMap((mount) => {
    const source = sourceOf(mount);
    return source === undefined ? [] : [{ path: mount.rootfs, status: host.stat(source) }];
  });
  const devices = boundDevices(manifest, host).map((path) => ({ path, status: host.stat(path) }));
  const expected = [{ path: '/', status: host.stat(root) }, ...files, ...devices];
  const { withinNamespace } = await import('../../host/mount-namespace.ts');
  try {
    return withinNamespace(
      pin,
      () =>
        expected.every(({ path, status }) => isSameFile(status, host.stat(path))) &&
        [...usualDevices, fuseDevice].every(([name]) => host.stat(`/dev/${name}`)?.kind === 'device'),
    );
  } catch (error) {
    if (isErrnoException(error)) return false; // Unpinned meanwhile.
    throw error;
  }
}

/** All that the namespaces are made of, as text. Another directory under the same name makes another text. */
function describeViews(
  root: string,
  mounts: readonly ManifestMount[],
  { host, manifest }: NodeContext,
): string {
  const identity = (path: string | undefined) => {
    const status = path === undefined ? undefined : host.stat(path);
    return status === undefined ? null : [status.device, status.inode];
  };
  const described = mounts.map((mount) => ({
    ...mount,
    // A shared directory is mounted in no view.
    source: isShared(mount) ? null : identity(sourceOf(mount)),
  }));
  const devices = boundDevices(manifest, host);
  return `${JSON.stringify({ format, root: identity(root), mounts: described, devices })}\n`;
}

/** Changes with what this version of mounter lays beside the mounts of the manifest. */
const format = 4;

async function makeNamespace(
  request: ViewRequest,
  pin: string,
  { host, layout }: NodeContext,
): Promise<void> {
  const { newNamespace, onAnyProcessor, pinNamespace } = await import('../../host/mount-namespace.ts');
  const { layView } = await import('./lay.ts');
  const entries = readMountinfo(host);
  const attempt = () => {
    const namespace = newNamespace(() => layView(request, entries, host));
    try {
      return pinNamespace(namespace, pin);
    } finally {
      closeSync(namespace);
    }
  };
  try {
    if (onAnyProcessor(attempt)) return;
  } catch (error) {
    if (!isErrnoException(error)) throw error;
    const isLimit = error.syscall === 'unshare' && error.code === 'ENOSPC';
    throw impossible(request.root, isLimit ? namespaceLimit : error.message, layout.nodeSettings, error);
  }
  throw impossible(request.root, 'the kernel refuses to pin it here', layout.nodeSettings, undefined);
}

/** A failure must not leave a namespace that nobody enters. */
async function forget(pins: string, { host }: NodeContext): Promise<void> {
  const { detach } = await import('../../host/mount-calls.ts');
  for (const { mountPoint } of mountsBelow(readMountinfo(host), pins)) detach(mountPoint);
  removePins(pins);
}

/** @see namespaces(7) */
const namespaceLimit = 'user.max_mnt_namespaces allows no more (sysctl -w user.max_mnt_namespaces=NUMBER)';

function impossible(root: string, reason: string, settings: string, cause: unknown): MounterError {
  return new MounterError(`a mount namespace for the rootfs cannot be made: ${reason}`, {
    subject: root,
    status: exitCode.system,
    hint: `write {"enter": "chroot"} into ${settings}, then run mounter prepare`,
    cause,
  });
}

function notInPlace(root: string): MounterError {
  return new MounterError('its new mount namespace is not as the settings say', {
    subject: root,
    status: exitCode.system,
    hint: 'see whether something mounts over a host path of mounts.mounter at the same time, and whether /proc is one of them',
  });
}
