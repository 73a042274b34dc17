import * as system from 'system-calls';
import { MounterError } from '../errors.ts';
import { exitCode } from '../exit-codes.ts';
import { asMounterError } from '../host/system-error.ts';
import type { NodeSettings } from '../manifest/manifest.ts';
import type { Layout } from '../node/layout.ts';
import { findLayout } from '../node/node.ts';
import { storedSettings } from '../node/settings.ts';
import { namespaceOutsideKubeletChroot } from '../rootfs/kubelet-chroot.ts';
import { findFullAt, ownExecutable } from './globals.ts';
import { frontHost } from './host.ts';

/** The node that a call works on: where it is, and its settings. */

/** In the mount namespace that `prepare` has laid its mounts in. */
export function findNode(): Layout {
  const namespace = namespaceOutsideKubeletChroot(frontHost);
  if (namespace !== undefined) leaveKubeletChroot(namespace);
  const layout = findLayout(frontHost, ownExecutable(), process.env);
  if (namespace !== undefined) findFullAt(layout.fullExecutable);
  return layout;
}

function leaveKubeletChroot(namespace: string): void {
  const result = system.enterNamespace(namespace);
  if (result >= 0) return;
  const [code, description] = system.errorNames(-result);
  throw new MounterError(`the host's mount namespace cannot be entered: ${code}: ${description}`, {
    subject: namespace,
    status: exitCode.system,
    hint: 'a mounter that a kubelet in an image calls needs CAP_SYS_ADMIN and CAP_SYS_CHROOT, as that kubelet does',
  });
}

/**
 * What was checked; where there is no such thing, or the manifest has changed since, the full executable checks it.
 * @returns why there are none. @throws MounterError (system) where what was checked cannot be read.
 */
export async function currentSettings(layout: Layout): Promise<NodeSettings | MounterError> {
  const stored = storedSettings(frontHost, layout);
  if (stored !== undefined) return stored;
  const { settingsByFull } = await import('./full.ts');
  return settingsByFull().catch(asMounterError);
}
