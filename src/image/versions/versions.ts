import { existsSync, lstatSync, readlinkSync, symlinkSync } from 'node:fs';
import { basename } from 'node:path';
import { MounterError } from '../../errors.ts';
import { exitCode } from '../../exit-codes.ts';
import { fileHost } from '../../host/file-host.ts';
import { replace } from '../../host/replace.ts';
import { type Layout, versionDirectories } from '../../node/layout.ts';
import { digitsOf } from '../digest.ts';

/** The unpacked images below MOUNTER_HOME/versions, and the symlink that says which is in use. */

/** The directory of a version: it has the name of its digest only once it is complete. */
export function versionPath(layout: Layout, digest: string): string {
  return `${layout.versions}/${digitsOf(digest)}`;
}

/** Written when it is complete, and removed before it is: version-record.ts has what is in it. */
export function recordPath(layout: Layout, digest: string): string {
  return `${versionPath(layout, digest)}.json`;
}

/** A link to a version that is removed where it lies, under its own name. One on record is whole, for all that. */
export function removalLink(layout: Layout, digest: string): string {
  return `${layout.versions}/.unfinished-removal-${digitsOf(digest)}`;
}

function isHalfRemoved(layout: Layout, digest: string): boolean {
  const link = lstatSync(removalLink(layout, digest), { throwIfNoEntry: false });
  return link !== undefined && !existsSync(recordPath(layout, digest));
}

/** The digest of the version that `rootfs` leads to; undefined when there is none. */
export function currentDigest(layout: Layout): string | undefined {
  if (!lstatSync(layout.rootfs, { throwIfNoEntry: false })?.isSymbolicLink()) return undefined;
  const match = /(?:^|\/)versions\/([0-9a-f]{64})\/?$/.exec(readlinkSync(layout.rootfs));
  return match === null ? undefined : `sha256:${match[1]}`;
}

/** The digests of the versions that are complete. */
export function installedDigests(layout: Layout): readonly string[] {
  return versionDirectories(layout, fileHost)
    .map((directory) => `sha256:${basename(directory)}`)
    .filter((digest) => !isHalfRemoved(layout, digest));
}

/** Makes `rootfs` lead to the version, by one rename: at every moment there is a rootfs. */
export function switchTo(layout: Layout, digest: string): void {
  replace(layout.rootfs, (unfinished) => symlinkSync(`versions/${digitsOf(digest)}`, unfinished));
}

/**
 * The installed version that `word` means: a digest, or the beginning of one.
 * @throws MounterError (usage) when there is none, or more than one.
 */
export function findVersion(layout: Layout, word: string): string {
  const digits = word.replace(/^sha256:/, '');
  const found = /^[0-9a-f]{4,64}$/.test(digits)
    ? installedDigests(layout).filter((digest) => digest.startsWith(`sha256:${digits}`))
    : [];
  const [digest] = found;
  if (digest !== undefined && found.length === 1) return digest;
  throw new MounterError(
    found.length === 0 ? 'no version with this digest is installed' : `means ${found.length} versions`,
    {
      subject: word,
      status: exitCode.usage,
      hint: 'mounter versions shows their digests; four digits or more of one are enough',
    },
  );
}
