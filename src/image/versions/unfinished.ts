import { existsSync, readdirSync, realpathSync, rmSync } from 'node:fs';
import type { Host } from '../../host/host.ts';
import { mountsBelow, readMountinfo } from '../../host/mountinfo.ts';
import type { Layout } from '../../rootfs/layout.ts';
import { installedDigests } from './versions.ts';

/** What is being made or removed has such a name in `versions`, so that half of a version never is one. */
const unfinishedPrefix = '.unfinished-';

/** @param purpose tells those of one run apart. */
export function unfinishedPath(layout: Layout, purpose: string): string {
  return `${layout.versions}/${unfinishedPrefix}${purpose}-${process.pid}`;
}

/** Of all runs, one at a time: the next one goes on with what a killed one had fetched. */
export function downloadPath(layout: Layout): string {
  return `${layout.versions}/${unfinishedPrefix}download`;
}

/**
 * Takes away what an interrupted run left. Under the lock of `withVersionsLock` nobody else is at work in it.
 * @param kept paths that are left as they are.
 */
export function removeUnfinished(layout: Layout, host: Host, kept: readonly string[] = []): void {
  const { rootfs, executable, fullExecutable, manifest } = layout;
  for (const path of [rootfs, executable, fullExecutable, manifest, `${manifest}.previous`])
    rmSync(`${path}.new`, { force: true });
  if (!existsSync(layout.versions)) return;
  const versions = realpathSync(layout.versions);
  const complete = new Set(installedDigests(layout).map((digest) => digest.slice('sha256:'.length)));
  for (const name of complete) rmSync(`${versions}/${name}/etc/resolv.conf.new`, { force: true });
  for (const name of readdirSync(versions)) {
    const isUnfinished = name.startsWith(unfinishedPrefix) && !kept.includes(`${layout.versions}/${name}`);
    if (isUnfinished) removeTree(`${versions}/${name}`, host);
    const record = /^([0-9a-f]{64})\.json(\.new)?$/.exec(name);
    if (record !== null && (record[2] !== undefined || !complete.has(record[1] ?? '')))
      rmSync(`${versions}/${name}`, { force: true });
  }
}

/**
 * Removes a directory, and never through a mount: what is below one is not ours to remove.
 * @param path without symlinks, as mountinfo has it.
 * @returns false when something is mounted in it: it is left as it is.
 */
export function removeTree(path: string, host: Host): boolean {
  if (mountsBelow(readMountinfo(host), path).length > 0) return false;
  rmSync(path, { recursive: true, force: true });
  return true;
}
