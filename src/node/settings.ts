import type { MounterError } from '../errors.ts';
import type { FileStatus, Host } from '../host/host.ts';
import { asMounterError } from '../host/system-error.ts';
import type { NodeSettings } from '../manifest/manifest.ts';
import { type Layout, runDirectory } from './layout.ts';
import { readManifest } from './node.ts';

/**
 * What a mount needs of the manifest and the node's own settings, checked before: to check them costs more than all else
 * that a mount does. It lies in /run, under a stamp of the two files; once either has changed both are checked again.
 */

/** Changes with what stands in the file below: an older executable's file is then no match. */
const format = 9;

export const settingsFile = `${runDirectory}/settings`;

/** @throws MounterError (system) when the manifest is missing, or a file not valid. */
export async function readSettings(host: Host, layout: Layout): Promise<NodeSettings> {
  return storedSettings(host, layout) ?? readManifest(host, layout);
}

/** What `mounter status --checked-settings` says, as JSON, to a front that finds none that were checked, or old ones. */
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

/** @throws MounterError (system) when the manifest is missing, or a file not valid. */
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
 * @throws MounterError (system) when the manifest is missing, or a file not valid.
 */
export async function checkSettings(
  host: Host,
  layout: Layout,
): Promise<{ readonly settings: NodeSettings; readonly text: string }> {
  // Before they are read: what changes meanwhile has another stamp, and is read again by the next call.
  const stamp = stampOf(host, layout) ?? '';
  const manifest = await readManifest(host, layout);
  const { isOnLocalFilesystem } = await import('./local-filesystem.ts');
  const { readMountinfo } = await import('../host/mountinfo.ts');
  const isLocal = isOnLocalFilesystem(host, manifest.log.file, readMountinfo(host));
  const { filesystems, mounts, limits, enabled, policy, resolver, security } = manifest;
  const { rpcbind, statd, startStatd } = manifest.daemons;
  const daemons = { rpcbind, statd, startStatd };
  const log = { ...manifest.log, isLocal };
  const mounter = mounts.mounter.map(({ host, rootfs, propagation }) => ({ host, rootfs, propagation }));
  // Nearly no node has any of it.
  const tls = Object.keys(security.tls).length === 0 ? {} : { tls: security.tls };
  const settings = {
    ...tls,
    filesystems,
    daemons,
    mounts: { mounter },
    limits,
    enabled,
    policy,
    resolver,
    log,
  };
  return { settings, text: stamp + JSON.stringify(settings) };
}

/** @returns undefined where there are none, a file has changed since, or it is not root who asks. */
export function storedSettings(host: Host, layout: Layout): NodeSettings | undefined {
  if (host.effectiveUserId() !== 0) return undefined;
  const stamp = stampOf(host, layout);
  const text = host.readText(settingsFile);
  if (stamp === undefined || text?.startsWith(stamp) !== true) return undefined;
  try {
    return JSON.parse(text.slice(stamp.length));
  } catch {
    return undefined; // Cut off by a full /run.
  }
}

/** What was checked last, whatever has become of the files since: enough to take away what is mounted. */
export function lastSettings(host: Host): NodeSettings | undefined {
  const text = host.readText(settingsFile) ?? '';
  try {
    return JSON.parse(text.slice(text.indexOf('\n') + 1));
  } catch {
    return undefined;
  }
}

/** A line that no two states of the files share: whatever writes one, or puts another in its place, changes ctime. */
function stampOf(host: Host, { manifest, nodeSettings }: Layout): string | undefined {
  const status = host.stat(manifest);
  if (status === undefined) return undefined;
  const own = host.lstat(nodeSettings);
  const led = own?.kind === 'symlink' ? host.stat(nodeSettings) : own;
  // A link that leads nowhere is an error, and no absence.
  if (own !== undefined && led === undefined) return undefined;
  return `${[format, manifest, ...stateOf(status), ...(led === undefined ? [] : stateOf(led))].join(' ')}\n`;
}

function stateOf({ device, inode, size, changedMs }: FileStatus): readonly number[] {
  return [device, inode, size, changedMs];
}
