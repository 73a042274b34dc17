import { existsSync, realpathSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { MounterError } from '../../errors.ts';
import type { Host } from '../../host/host.ts';
import { mountsBelow, readMountinfo } from '../../host/mountinfo.ts';
import { isErrnoException } from '../../host/system-error.ts';
import type { Manifest } from '../../manifest/manifest.ts';
import { effectiveManifest, type TextFile } from '../../manifest/node-settings.ts';
import type { Layout } from '../../node/layout.ts';
import { withNodeLock, withVersionsLock } from '../../node/lock.ts';
import { type BareNode, readNodeSettings } from '../../node/node.ts';
import { applyActions, detachAll } from '../../prepare/mount-actions.ts';
import { digitsOf } from '../digest.ts';
import { removeRest, removeUnfinished, unfinishedPath } from './unfinished.ts';
import { type InstalledVersion, listVersions } from './version-list.ts';
import { removeRecord } from './version-record.ts';
import { describeProcess, foreignMounts } from './version-use.ts';
import { removalLink, versionPath } from './versions.ts';

export interface PruneRequest {
  /** How many versions stay: the current one, the previous one, then the latest. At least 1. */
  readonly keep: number;
  readonly isDryRun: boolean;
}

/**
 * Removes the versions that are neither to be kept nor in use, and what killed installs have left. Takes the versions'
 * lock and the node's.
 * @returns what was done, and what was left and why; a line each.
 */
export function pruneVersions(request: PruneRequest, context: BareNode): Promise<readonly string[]> {
  return withVersionsLock(async () => {
    if (!request.isDryRun) await removeUnfinished(context.layout, context.host);
    return await withNodeLock(() => prune(request, context));
  });
}

async function prune({ keep, isDryRun }: PruneRequest, context: BareNode): Promise<readonly string[]> {
  const lines: string[] = [];
  for (const version of inOrderOfWorth(listVersions(context.layout, context.host)).slice(keep)) {
    const user = userOf(version, context);
    if (user !== undefined) lines.push(`kept ${version.digest}: ${user}`);
    else if (isDryRun) lines.push(`would remove ${version.digest}`);
    else lines.push(await removeVersion(version, context));
  }
  return lines;
}

/** In the order in which they are worth keeping. */
export function inOrderOfWorth(versions: readonly InstalledVersion[]): readonly InstalledVersion[] {
  const rank = ({ isCurrent, isPrevious }: InstalledVersion) => (isCurrent ? 0 : isPrevious ? 1 : 2);
  return [...versions].sort(
    (a, b) => rank(a) - rank(b) || (b.installedAt ?? '').localeCompare(a.installedAt ?? ''),
  );
}

/** Why the version must stay; undefined when it may be removed. */
export function userOf(
  { isCurrent, digest, processes, mounts, manifest }: InstalledVersion,
  { layout, host }: BareNode,
): string | undefined {
  if (isCurrent) return 'it is the one in use';
  const [process] = processes;
  if (process !== undefined) return `${describeProcess(process)} runs from it`;
  if (mounts.length === 0) return undefined;
  const text = manifest ?? host.readText(layout.manifest);
  if (text === undefined) return 'something is mounted in it, and no manifest says what';
  const prepared = preparedBy({ path: layout.manifest, text }, { layout, host });
  if (prepared === undefined) return 'something is mounted in it, and its manifest is not valid any more';
  const directory = realpathSync(versionPath(layout, digest));
  const [foreign] = foreignMounts(directory, mounts, prepared);
  return foreign === undefined ? undefined : `${foreign.source} is mounted on ${foreign.mountPoint}`;
}

/** Another mounter may have written it, for other settings than there are today. */
function preparedBy(file: TextFile, { layout, host }: BareNode): Manifest | undefined {
  try {
    return effectiveManifest(file, readNodeSettings(host, layout));
  } catch (error) {
    if (error instanceof MounterError) return undefined;
    throw error;
  }
}

async function removeVersion({ digest }: InstalledVersion, { layout, host }: BareNode): Promise<string> {
  const version = versionPath(layout, digest);
  // Where somebody has moved it to another disk, a link of theirs leads to it; or, since a removal was killed, nowhere.
  if (existsSync(version)) {
    const path = realpathSync(version);
    await detachMounts(path, host);
    // Half removed it must not be a version.
    const removed = beginRemoval(layout, digest, path);
    removeRecord(layout, digest);
    if (!removeRest(layout, removed, host)) return `left ${removed}: something was mounted in it meanwhile`;
  }
  rmSync(version, { force: true });
  return `removed ${digest}`;
}

/**
 * overlayfs renames no directory that came with a lower layer, such as a version of a node's own image: that is removed
 * where it is, and a link tells so.
 * @returns the directory, or the link.
 */
function beginRemoval(layout: Layout, digest: string, path: string): string {
  const unfinished = unfinishedPath(layout, `removed-${digest.slice(7, 19)}`);
  try {
    renameSync(path, unfinished);
    return unfinished;
  } catch (error) {
    if (!isErrnoException(error) || error.code !== 'EXDEV') throw error;
    const link = removalLink(layout, digest);
    symlinkSync(digitsOf(digest), link);
    return link;
  }
}

/** Detaches what `prepare` mounted in it, made private before, so that nothing is unmounted on the host. */
async function detachMounts(directory: string, host: Host): Promise<void> {
  const mounts = mountsBelow(readMountinfo(host), directory);
  await applyActions(detachAll(mounts));
  const left = mountsBelow(readMountinfo(host), directory);
  if (left.length > 0 && left.length < mounts.length) await detachMounts(directory, host);
}
