import type { MounterError } from '../errors.ts';
import type { FileStatus, Host } from '../host/host.ts';
import { asMounterError } from '../host/system-error.ts';
import type { NodeSettings } from '../manifest/manifest.ts';
import { type Layout, runDirectory } from './layout.ts';
import { readManifest } from './node.ts';

/**
 * What a mount needs of the manifest, checked before: to check it costs more than all else that a mount does. It lies
 * in /run, under a stamp of the file that was checked; a manifest that has changed since is checked again.
 */

/** Changes with what stands in the file below: an older executable's file is then no match. */
const format = 7;

export const settingsFile = `${runDirectory}/settings`;

/** @throws MounterError (system) when the manifest is missing or not valid. */
export async function readSettings(host: Host, layout: Layout): Promise<NodeSettings> {
  return storedSettings(host, layout) ?? readManifest(host, layout);
}

/** What `mounter status --checked-settings` says, as JSON, to a front that has no settings which are those of the manifest. */
export interface SettingsAnswer {
  readonly settings?: NodeSettings;
  /** For the constructor of a MounterError. */
  readonly failure?: Omit<MounterError, 'name' | 'cause' | 'stack'>;
}

/** What was checked, or the manifest, which is left as checked for the calls to come. */
export async function settingsAnswer(host: Host, layout: Layout): Promise<SettingsAnswer> {
  try {
    return { settings: await currentSettings(host, layout) };
  } catch (error) {
    const failure = asMounterError(error);
    return { failure: { ...failure, message: failure.message } };
  }
}

/** @throws MounterError (system) when the manifest is missing or not valid. */
async function currentSettings(host: Host, layout: Layout): Promise<NodeSettings> {
  const stored = storedSettings(host, layout);
  if (stored !== undefined) return stored;
  const { settings, text } = await checkSettings(host, layout);
  try {
    if (host.effectiveUserId() === 0) host.replaceText(settingsFile, text, 0o644);
  } catch {
    // A full or read-only /run: each call reads the manifest, then.
  }
  return settings;
}

/**
 * Reads and checks the manifest.
 * @returns what a mount needs of it, and what `settingsFile` is to hold.
 * @throws MounterError (system) when the manifest is missing or not valid.
 */
export async function checkSettings(
  host: Host,
  layout: Layout,
): Promise<{ readonly settings: NodeSettings; readonly text: string }> {
  // Before it is read: one that changes meanwhile has another stamp, and is read again by the next call.
  const stamp = stampOf(layout, host.stat(layout.manifest)) ?? '';
  const manifest = await readManifest(host, layout);
  const { isOnLocalFilesystem } = await import('./local-filesystem.ts');
  const { readMountinfo } = await import('../host/mountinfo.ts');
  const isLocal = isOnLocalFilesystem(host, manifest.log.file, readMountinfo(host));
  const { filesystems, daemons, mounts, limits, enabled, policy, resolver } = manifest;
  const log = { ...manifest.log, isLocal };
  const { mounter } = mounts;
  const settings = { filesystems, daemons, mounts: { mounter }, limits, enabled, policy, resolver, log };
  return { settings, text: stamp + JSON.stringify(settings) };
}

/** @returns undefined where there are none, the manifest has changed since, or it is not root who asks. */
export function storedSettings(host: Host, layout: Layout): NodeSettings | undefined {
  if (host.effectiveUserId() !== 0) return undefined;
  const stamp = stampOf(layout, host.stat(layout.manifest));
  const text = host.readText(settingsFile);
  if (stamp === undefined || text?.startsWith(stamp) !== true) return undefined;
  try {
    return JSON.parse(text.slice(stamp.length));
  } catch {
    return undefined; // Cut off by a full /run.
  }
}

/** A line that no two states of the file share: whatever writes it, or puts another in its place, changes ctime. */
function stampOf(layout: Layout, status: FileStatus | undefined): string | undefined {
  if (status === undefined) return undefined;
  const { device, inode, size, changedMs } = status;
  return `${format} ${layout.manifest} ${device} ${inode} ${size} ${changedMs}\n`;
}
