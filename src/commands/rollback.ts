import { existsSync, realpathSync } from 'node:fs';
import { MounterError } from '../errors.ts';
import { exitCode } from '../exit-codes.ts';
import { activateVersion } from '../image/versions/activate.ts';
import { checkRootfs } from '../image/versions/check.ts';
import { removeUnfinished } from '../image/versions/unfinished.ts';
import { previousDigest } from '../image/versions/version-list.ts';
import { readRecord } from '../image/versions/version-record.ts';
import { currentDigest, findVersion, versionPath } from '../image/versions/versions.ts';
import { withVersionsLock } from '../image/versions/versions-lock.ts';
import { parseManifest } from '../manifest/manifest.ts';
import type { Layout } from '../node/layout.ts';
import { requireRoot } from '../node/node.ts';
import { withNodeLock } from '../node/node-lock.ts';
import type { CommandContext } from './context.ts';
import { parseFlags } from './flags.ts';

/** `mounter rollback [DIGEST]` */
export async function rollback(
  argv: readonly string[],
  { layout, host, output }: CommandContext,
): Promise<number> {
  const { operands } = parseFlags('rollback', argv, { boolean: [], string: [], operands: [0, 1] });
  requireRoot(host, 'switching to another version');
  const [digest, done] = await withVersionsLock(async () => {
    const wanted = wantedVersion(layout, operands[0]);
    await removeUnfinished(layout, host);
    const path = versionPath(layout, wanted);
    const { text, from } = manifestOf(layout, wanted, host.readText(layout.manifest));
    const manifest = parseManifest(text, from);
    await checkRootfs(realpathSync(path), manifest, host, path);
    const activation = { digest: wanted, manifest, manifestText: text };
    return [wanted, await withNodeLock(() => activateVersion(activation, { layout, host }))] as const;
  });
  output.out(
    done.length === 0 ? `in use already: ${digest}\n` : `${done.join('\n')}\nswitched to ${digest}\n`,
  );
  return exitCode.success;
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

/** The version's own; one of before there were records goes by the node's. */
function manifestOf(
  layout: Layout,
  digest: string,
  ofNode: string | undefined,
): { readonly text: string; readonly from: string } {
  const own = readRecord(layout, digest)?.manifest;
  if (own !== undefined) return { text: own, from: `the manifest of ${digest}` };
  if (ofNode !== undefined) return { text: ofNode, from: layout.manifest };
  throw new MounterError('this version has no manifest, and neither has the node', {
    subject: digest,
    status: exitCode.system,
    hint: 'install it again, with --manifest',
  });
}
