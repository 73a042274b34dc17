import { mkdirSync, mkdtempSync, readdirSync, renameSync, rmdirSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { withFileLock } from '../../host/file-lock.ts';
import type { Host } from '../../host/host.ts';
import type { Layout } from '../../node/layout.ts';
import { withVersionsLock } from '../../node/lock.ts';
import type { BareNode } from '../../node/node.ts';
import { blobPrefix } from '../registry/partial-file.ts';
import { removeAtExit } from './stage.ts';
import { lockOf, removeUnfinished, stagingPrefix } from './unfinished.ts';

/** A place of one install's own, on the filesystem of the versions. */
export interface Staging {
  /** For what comes over the network; what killed installs had fetched is there already. */
  readonly downloads: string;
  /** Where the image is to be unpacked; nothing is there yet. */
  readonly tree: string;
}

interface Held {
  readonly directory: string;
  /** The first of the directories that had to be made for it. */
  readonly firstMade: string | undefined;
  readonly release: () => Promise<void>;
}

/**
 * Runs `action` with a place of its own, which is gone when it has ended. A lock in it tells others that somebody
 * is at work there. The kernel releases the lock, however this process ends, and the next install removes the place. The
 * versions' lock is held for moments alone, so that `action` may wait for a network.
 * @throws MounterError, and what `action` throws.
 */
export async function withStaging<T>(
  { layout, host }: BareNode,
  action: (staging: Staging) => Promise<T>,
): Promise<T> {
  const held = await withVersionsLock(() => openStaging(layout, host));
  const { directory } = held;
  try {
    return await action({ downloads: downloadsIn(directory), tree: `${directory}/version` });
  } finally {
    const close = async () => closeStaging(layout, held);
    await withVersionsLock(close).catch(close);
    await held.release();
  }
}

/** Under the versions' lock: nobody sees the place before it is locked. */
async function openStaging(layout: Layout, host: Host): Promise<Held> {
  const above = mkdirSync(dirname(layout.versions), { recursive: true, mode: 0o755 });
  const firstMade = above ?? mkdirSync(layout.versions, { recursive: true, mode: 0o700 });
  if (above !== undefined) mkdirSync(layout.versions, { mode: 0o700 });
  try {
    const directory = mkdtempSync(`${layout.versions}/${stagingPrefix}`);
    removeAtExit(directory);
    mkdirSync(downloadsIn(directory), 0o700);
    const release = await holdFileLock(lockOf(directory));
    await removeUnfinished(layout, host, {
      except: directory,
      salvage: (other) => takeDownloads(other, directory),
    });
    return { directory, firstMade, release };
  } catch (error) {
    if (firstMade !== undefined) removeEmpty(layout.versions, firstMade);
    throw error;
  }
}

function closeStaging({ versions }: Layout, { directory, firstMade }: Held): void {
  rmSync(directory, { recursive: true, force: true });
  if (firstMade !== undefined) removeEmpty(versions, firstMade);
}

function downloadsIn(directory: string): string {
  return `${directory}/download`;
}

/** Blobs alone: their digests say what they have to be. */
function takeDownloads(from: string, to: string): void {
  const [source, target] = [downloadsIn(from), downloadsIn(to)];
  for (const name of namesIn(source))
    if (name.startsWith(blobPrefix)) renameSync(`${source}/${name}`, `${target}/${name}`);
}

function namesIn(directory: string): readonly string[] {
  try {
    return readdirSync(directory);
  } catch {
    return []; // It was killed before that.
  }
}

/** The directories from `path` up to `top` that have stayed empty: a first install that came to nothing. */
function removeEmpty(path: string, top: string): void {
  try {
    for (let way = path; way.startsWith(top); way = dirname(way)) rmdirSync(way);
  } catch {
    // Something is in it.
  }
}

/** Nobody else can want it; a machine under load starts flock(1) within this. */
const ownLockSeconds = 10;

/** @returns what lets go of it; the end of this process does too. */
async function holdFileLock(path: string): Promise<() => Promise<void>> {
  const [held, released] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const holding = withFileLock(path, ownLockSeconds, () => {
    held.resolve();
    return released.promise;
  });
  await Promise.race([held.promise, holding]);
  return () => {
    released.resolve();
    return holding;
  };
}
