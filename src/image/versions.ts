import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readlinkSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { MounterError } from '../errors.ts';
import { exitCode } from '../exit-codes.ts';
import type { Host } from '../host/host.ts';
import { mountsBelow, readMountinfo } from '../host/mountinfo.ts';
import { runProgram } from '../host/run-program.ts';
import { isErrnoException } from '../host/system-error.ts';
import type { Layout } from '../rootfs/layout.ts';
import { unpackTar } from './unpack.ts';

/** The unpacked images below MOUNTER_HOME/versions, and the symlink that says which is in use. */

/** The directory of a version: it has the name of its digest only once it is complete. */
export function versionPath(layout: Layout, digest: string): string {
  return `${layout.versions}/${digest.slice('sha256:'.length)}`;
}

/** The digest of the version that `rootfs` leads to; undefined when there is none. */
export function currentDigest(layout: Layout): string | undefined {
  if (!lstatSync(layout.rootfs, { throwIfNoEntry: false })?.isSymbolicLink()) return undefined;
  const match = /(?:^|\/)versions\/([0-9a-f]{64})\/?$/.exec(readlinkSync(layout.rootfs));
  return match === null ? undefined : `sha256:${match[1]}`;
}

/** The digests of the versions that are complete. */
export function installedDigests(layout: Layout): readonly string[] {
  if (!existsSync(layout.versions)) return [];
  return readdirSync(layout.versions)
    .filter((name) => /^[0-9a-f]{64}$/.test(name))
    .map((name) => `sha256:${name}`);
}

/**
 * Unpacks `file` to `versions/<digest>`: under another name first, and renamed when it is complete, has the
 * digest, and passes `check`.
 * @throws MounterError (system); nothing is left behind then.
 */
export async function unpackVersion(
  file: string,
  digest: string,
  check: (root: string) => void,
  { layout }: { readonly layout: Layout },
): Promise<void> {
  mkdirSync(layout.versions, { recursive: true, mode: 0o755 });
  const unfinished = `${layout.versions}/${unfinishedPrefix}${process.pid}`;
  mkdirSync(unfinished, 0o755);
  try {
    const unpacked = await unpackTar(file, unfinished);
    if (unpacked !== digest) throw wrongDigest(file, digest, unpacked);
    check(unfinished);
    // On disk before it has its name: after a power cut a version is complete or not there.
    await runProgram('sync', ['-f', unfinished]);
    renameSync(unfinished, versionPath(layout, digest));
  } catch (error) {
    rmSync(unfinished, { recursive: true, force: true });
    throw isErrnoException(error) || error instanceof MounterError ? error : damaged(file, error);
  }
}

const unfinishedPrefix = '.unfinished-';

/** Takes away what an interrupted run left. Under the node's lock nobody else is at work in it. */
export function removeUnfinished(layout: Layout, host: Host): void {
  for (const path of [`${layout.rootfs}.new`, `${layout.executable}.new`, `${layout.manifest}.new`])
    rmSync(path, { force: true });
  if (!existsSync(layout.versions)) return;
  const versions = realpathSync(layout.versions);
  for (const name of readdirSync(versions)) {
    if (!name.startsWith(unfinishedPrefix)) continue;
    const path = `${versions}/${name}`;
    // Never through a mount: what is below one is not ours to remove.
    if (mountsBelow(readMountinfo(host), path).length === 0) rmSync(path, { recursive: true, force: true });
  }
}

function damaged(file: string, error: unknown): MounterError {
  return new MounterError(`is no tar, or damaged: ${error instanceof Error ? error.message : error}`, {
    subject: file,
    status: exitCode.system,
    hint: 'fetch the file again; nothing was installed',
    cause: error,
  });
}

function wrongDigest(file: string, wanted: string, found: string): MounterError {
  return new MounterError(`the digest of its contents is ${found}, not ${wanted}`, {
    subject: file,
    status: exitCode.system,
    hint: 'fetch the file again, or name the manifest that belongs to it with --manifest',
  });
}

/** Makes `rootfs` lead to the version, by one rename: at every moment there is a rootfs. */
export function switchTo(layout: Layout, digest: string): void {
  const unfinished = `${layout.rootfs}.new`;
  rmSync(unfinished, { force: true });
  symlinkSync(`versions/${digest.slice('sha256:'.length)}`, unfinished);
  renameSync(unfinished, layout.rootfs);
}
