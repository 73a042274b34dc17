import { existsSync, readdirSync, realpathSync, rmSync } from 'node:fs';
import { basename } from 'node:path';
import { withFileLock } from '../../host/file-lock.ts';
import type { Host } from '../../host/host.ts';
import type { Layout } from '../../node/layout.ts';
import { removeTree } from '../../prepare/undo.ts';
import { installedDigests, removalLink } from './versions.ts';

/** While a version is being made or removed it, or a link to it, has such a name: half a version is never taken for one. */
const unfinishedPrefix = '.unfinished-';
/** An install works in a directory of such a name. All other unfinished ones are made and removed under the versions' lock. */
export const stagingPrefix = `${unfinishedPrefix}install-`;

/** @param purpose tells those of one run apart. */
export function unfinishedPath(layout: Layout, purpose: string): string {
  return `${layout.versions}/${unfinishedPrefix}${purpose}-${process.pid}`;
}

/** Held by the install that is at work in the directory. */
export function lockOf(directory: string): string {
  return `${directory}/lock`;
}

/** What is to be kept of the unfinished. */
export interface Exceptions {
  /** A directory of the caller's own. */
  readonly except?: string;
  /** Told of each install's directory before it goes. */
  readonly salvage?: (directory: string) => void;
}

/** Takes away what interrupted runs left, and nothing that a running one is at work in. Under the versions' lock. */
export async function removeUnfinished(
  layout: Layout,
  host: Host,
  { except, salvage = () => {} }: Exceptions = {},
): Promise<void> {
  const { rootfs, executable, fullExecutable, manifest, nodeSettings } = layout;
  for (const path of [rootfs, executable, fullExecutable, manifest, `${manifest}.previous`, nodeSettings])
    rmSync(`${path}.new`, { force: true });
  if (!existsSync(layout.versions)) return;
  const versions = realpathSync(layout.versions);
  removeHalfWritten(layout, versions);
  for (const name of readdirSync(versions)) {
    const directory = `${versions}/${name}`;
    if (`${layout.versions}/${name}` === except || !name.startsWith(unfinishedPrefix)) continue;
    if (!name.startsWith(stagingPrefix)) removeRest(layout, directory, host);
    else
      await ifAbandoned(directory, () => {
        salvage(directory);
        removeTree(directory, host);
      });
  }
}

/**
 * @param path what a version became when its removal began: a directory of another name, or a removalLink.
 * @returns false when something is mounted there: it is left as it is.
 */
export function removeRest(layout: Layout, path: string, host: Host): boolean {
  const linksOfWhole = installedDigests(layout).map((digest) => basename(removalLink(layout, digest)));
  const isRest = existsSync(path) && !linksOfWhole.includes(basename(path));
  if (isRest && !removeTree(realpathSync(path), host)) return false;
  rmSync(path, { force: true });
  return true;
}

/** Files that were to become another by a rename, and records of versions that are not there. */
function removeHalfWritten(layout: Layout, versions: string): void {
  const complete = new Set(installedDigests(layout).map((digest) => digest.slice('sha256:'.length)));
  for (const name of complete) rmSync(`${versions}/${name}/etc/resolv.conf.new`, { force: true });
  for (const name of readdirSync(versions)) {
    const record = /^([0-9a-f]{64})\.json(\.new)?$/.exec(name);
    if (record !== null && (record[2] !== undefined || !complete.has(record[1] ?? '')))
      rmSync(`${versions}/${name}`, { force: true });
  }
}

/** The kernel releases the lock of a killed install within this time; an install at work holds it for longer. */
const abandonedSeconds = 0.5;

/** Runs `action` where no install is at work in the directory. */
async function ifAbandoned(directory: string, action: () => void): Promise<void> {
  let isAbandoned = false;
  try {
    await withFileLock(lockOf(directory), abandonedSeconds, async () => {
      isAbandoned = true;
      action();
    });
  } catch (error) {
    if (isAbandoned) throw error;
  }
}
