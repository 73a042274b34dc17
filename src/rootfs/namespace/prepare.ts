import { closeSync, mkdirSync } from 'node:fs';
import { MounterError } from '../../errors.ts';
import { exitCode } from '../../exit-codes.ts';
import { readMountinfo } from '../../host/mountinfo.ts';
import { isErrnoException } from '../../host/system-error.ts';
import type { ManifestMount } from '../manifest.ts';
import { applyActions } from '../mount-actions.ts';
import { isInPlace } from '../mount-states.ts';
import type { PrepareContext } from '../prepare.ts';
import { linkPin, newPin, pinsDirectory } from './pins.ts';
import { planPins } from './plan.ts';

/**
 * Gives a version a mount namespace of its own, unless it has one in which all is in place. It is never
 * mended: what runs in an old one keeps that, goes on there, and is a peer of the same kubelet directory.
 *
 * The namespace has no name before it is whole: killed at any moment, we leave nothing but an unused file.
 * @param root `versions/<digest>`, without symlinks.
 * @param mounts whose host path is there; the shared ones are shared on the host.
 * @returns what was done, a line each.
 * @throws MounterError (system) where it can't be made.
 */
export async function prepareNamespace(
  root: string,
  mounts: readonly ManifestMount[],
  context: PrepareContext,
): Promise<readonly string[]> {
  const { host } = context;
  // Each mount enters by it.
  requireNsenter(context);
  mkdirSync(pinsDirectory, { recursive: true, mode: 0o755 });
  const done = [...(await applyActions(planPins(pinsDirectory, readMountinfo(host))))];
  if (await isInPlace(root, mounts, context)) return done;
  const pin = newPin(root);
  await makeNamespace(root, pin, mounts, context);
  if (!(await isInPlace(root, mounts, context, pin))) throw notInPlace(root);
  linkPin(root, pin);
  return [...done, `made a mount namespace for ${root}`];
}

function requireNsenter({ host, layout }: PrepareContext): void {
  try {
    host.findProgram('nsenter');
  } catch (error) {
    if (!(error instanceof MounterError)) throw error;
    throw new MounterError('the host has no nsenter(1), by which a mount enters the rootfs', {
      subject: 'nsenter',
      status: exitCode.system,
      hint: `install it (util-linux), or set "enter": "chroot" in ${layout.manifest}`,
      cause: error,
    });
  }
}

async function makeNamespace(
  root: string,
  pin: string,
  mounts: readonly ManifestMount[],
  { host, layout }: PrepareContext,
): Promise<void> {
  const { newNamespace, onAnyProcessor, pinNamespace } = await import('../../host/mount-namespace.ts');
  const { layNamespace } = await import('./lay.ts');
  const entries = readMountinfo(host);
  const attempt = () => {
    const namespace = newNamespace(() => layNamespace(root, mounts, entries, host));
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
    throw impossible(root, isLimit ? namespaceLimit : error.message, layout.manifest, error);
  }
  throw impossible(root, 'the kernel refuses to pin it here', layout.manifest, undefined);
}

/** @see namespaces(7) */
const namespaceLimit = 'user.max_mnt_namespaces allows no more (sysctl -w user.max_mnt_namespaces=NUMBER)';

function impossible(root: string, reason: string, manifest: string, cause: unknown): MounterError {
  return new MounterError(`a mount namespace for the rootfs can not be made: ${reason}`, {
    subject: root,
    status: exitCode.system,
    hint: `set "enter": "chroot" in ${manifest}, then run mounter prepare`,
    cause,
  });
}

function notInPlace(root: string): MounterError {
  return new MounterError('its mount namespace does not become as the manifest has it', {
    subject: root,
    status: exitCode.system,
    hint: 'see whether something mounts over a host path of mounts.mounter at the same time, and whether /proc is one of them',
  });
}
