import { existsSync } from 'node:fs';
import { MounterError } from '../../errors.ts';
import { exitCode } from '../../exit-codes.ts';
import type { Host } from '../../host/host.ts';
import type { Manifest } from '../../manifest/manifest.ts';
import type { Layout } from '../../node/layout.ts';
import { shellWord } from '../../shell-word.ts';
import { checkRootfs, few } from './check.ts';
import { differencesFrom, readTreeRecord } from './tree-record.ts';
import { readRecord } from './version-record.ts';
import { versionPath } from './versions.ts';

/**
 * What of an installed version is not as it was when it was installed: all of it was tried then, so that reading it is
 * enough. One that no record tells of, of an earlier mounter, is tried as an install does.
 * @param root `versions/<digest>`.
 * @param isInTime as for `differencesFrom`.
 * @returns undefined where it is whole.
 */
export async function damageOf(
  root: string,
  manifest: Manifest,
  host: Host,
  isInTime?: () => boolean,
): Promise<Damage | undefined> {
  const entries = readTreeRecord(root);
  if (entries === undefined) {
    const words = await untold(root, manifest, host);
    return words === undefined ? undefined : { words, paths: [] };
  }
  const differences = await differencesFrom(entries, root, manifest, isInTime);
  if (differences.length === 0) return undefined;
  const words = differences.map(
    ({ entry, isMissing }) => `${entry.path || '/'} (${isMissing ? 'missing' : 'changed'})`,
  );
  return { words: few(words), paths: differences.map(({ entry }) => entry.path) };
}

export interface Damage {
  /** Such as `/usr/sbin/rpcbind (missing)`. */
  readonly words: string;
  /** As the rootfs names them; none where it is not known what it is. */
  readonly paths: readonly string[];
}

async function untold(root: string, manifest: Manifest, host: Host): Promise<string | undefined> {
  try {
    await checkRootfs(root, manifest, host, root);
    return undefined;
  } catch (error) {
    if (error instanceof MounterError) return error.message;
    throw error;
  }
}

/** What mends a version, as a hint: with the name by which it was installed, where that still leads somewhere. */
export function mendingHint(layout: Layout, digest: string | undefined): string {
  const reference = digest === undefined ? null : (readRecord(layout, digest)?.reference ?? null);
  const source = reference !== null && isLasting(reference) ? reference : 'SOURCE';
  return `run mounter install ${shellWord(source)}, which mends it; volumes stay mounted`;
}

/** Not a relative path, nor the name that an image gives itself. */
function isLasting(reference: string): boolean {
  if (reference.startsWith('/')) return existsSync(reference);
  return /^(https?:\/\/|oci:\/|[^./][^/]*[.:][^/]*\/)/.test(reference);
}

/** @throws MounterError (system) for a version that is damaged, or lacks what the manifest promises. */
export async function requireWhole(
  layout: Layout,
  digest: string,
  manifest: Manifest,
  host: Host,
): Promise<void> {
  const path = versionPath(layout, digest);
  const damage = await damageOf(path, manifest, host);
  if (damage === undefined) return;
  const [status, hint] = [exitCode.system, mendingHint(layout, digest)];
  throw new MounterError(`is damaged: ${damage.words}`, { subject: path, status, hint });
}
