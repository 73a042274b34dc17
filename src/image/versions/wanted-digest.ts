import { MounterError } from '../../errors.ts';
import { exitCode } from '../../exit-codes.ts';
import type { ImageConfig, ImageContent } from '../content.ts';
import { checkExpected, ownArchitecture } from '../source/options.ts';
import { besideSource, type ManifestFile, noSuchManifest } from './manifest-choice.ts';

/**
 * A plain tar says nothing of itself: its digest comes from the operator (and was checked when the source
 * was opened) or from the manifest. An image is known by its own, which a manifest inside cannot know.
 * @throws MounterError (usage) where nobody says what a plain tar has to be, (system) when it is another.
 */
export function requireDigest(
  content: ImageContent,
  {
    source,
    fetch,
    manifest,
  }: {
    readonly source: string;
    readonly fetch: { readonly expectedDigest?: string };
    readonly manifest: ManifestFile | undefined;
  },
): void {
  if (content.config !== undefined) requirePinned(content, content.config, manifest);
  if (content.config !== undefined || fetch.expectedDigest !== undefined) return;
  if (manifest === undefined) throw noSuchManifest(besideSource(source) ?? source);
  const { digest: digests } = manifest.manifest.rootfs;
  const digest = typeof digests === 'object' ? digests[ownArchitecture] : digests;
  if (digest === undefined) throw noDigest(source);
  checkExpected(digest, [content.digest], content.reference);
}

/** Where the manifest pins the image of this architecture, no other one is installed, wherever a tag leads by now. */
function requirePinned(
  { digest, reference }: ImageContent,
  { architecture }: ImageConfig,
  manifest: ManifestFile | undefined,
): void {
  const pins: Readonly<Record<string, string | undefined>> = manifest?.manifest.rootfs.image ?? {};
  const pinned = pins[architecture];
  if (pinned === undefined || pinned === digest) return;
  throw new MounterError(
    `is the image ${digest}, not ${pinned}, which the manifest pins for ${architecture}`,
    {
      subject: reference,
      status: exitCode.system,
      hint: `install NAME@${pinned}, or change rootfs.image in the manifest`,
    },
  );
}

function noDigest(source: string): MounterError {
  return new MounterError('the manifest has no rootfs.digest to check it with', {
    subject: source,
    status: exitCode.usage,
    hint: 'give the digest of the uncompressed tar with --digest sha256:…',
  });
}
