import { existsSync } from 'node:fs';
import { MounterError } from '../../errors.ts';
import { exitCode } from '../../exit-codes.ts';
import type { Manifest } from '../../manifest/manifest.ts';
import { effectiveManifest, type TextFile } from '../../manifest/node-settings.ts';
import type { Layout } from '../../node/layout.ts';
import { withNodeLock, withVersionsLock } from '../../node/lock.ts';
import { type BareNode, readNodeSettings } from '../../node/node.ts';
import { activateVersion } from './activate.ts';
import { requireWhole } from './damage.ts';
import { keepEdits } from './node-edits.ts';
import { removeUnfinished } from './unfinished.ts';
import { previousDigest } from './version-list.ts';
import { readRecord } from './version-record.ts';
import { currentDigest, findVersion } from './versions.ts';

/**
 * Switches to another version that is installed, with the manifest that it was installed with. Takes the versions'
 * lock and the node's.
 * @param word the first digits of its digest; the version before this one if left out.
 * @returns its digest, its manifest with the node's own settings, and what was done, a line each: nothing where it is in
 *   use already.
 * @throws MounterError where there is none, or one that would not work.
 */
export function rollBack(
  word: string | undefined,
  { layout, host }: BareNode,
): Promise<{ readonly digest: string; readonly manifest: Manifest; readonly done: readonly string[] }> {
  return withVersionsLock(async () => {
    const digest = wantedVersion(layout, word);
    await removeUnfinished(layout, host);
    const kept = await withNodeLock(async () => keepEdits({ layout, host }));
    const file = manifestOf(layout, digest, host.readText(layout.manifest));
    const manifest = effectiveManifest(file, readNodeSettings(host, layout));
    await requireWhole(layout, digest, manifest, host);
    const activation = { digest, manifest, manifestText: file.text };
    const done = await withNodeLock(() => activateVersion(activation, { layout, host }));
    return { digest, manifest, done: [...kept, ...done] };
  });
}

function wantedVersion(layout: Layout, word: string | undefined): string {
  if (word !== undefined) return findVersion(layout, word);
  const previous = previousDigest(layout);
  if (previous !== undefined) return previous;
  const [message, hint] =
    currentDigest(layout) === undefined
      ? ['nothing is installed', 'run mounter install SOURCE']
      : [
          'no version was in use before this one, or it was removed',
          'mounter versions shows those that are there, for mounter rollback DIGEST; mounter install SOURCE brings another',
        ];
  const subject = existsSync(layout.versions) ? layout.versions : layout.home;
  throw new MounterError(message, { subject, status: exitCode.usage, hint });
}

/** The version's own, or the node's for a version that was installed before there were records. */
function manifestOf(layout: Layout, digest: string, ofNode: string | undefined): TextFile {
  const own = readRecord(layout, digest)?.manifest;
  if (own !== undefined) return { text: own, path: `the manifest of ${digest}` };
  if (ofNode !== undefined) return { text: ofNode, path: layout.manifest };
  throw new MounterError('this version has no manifest, and neither has the node', {
    subject: digest,
    status: exitCode.system,
    hint: 'install it again, with --manifest',
  });
}
