import type { ImageContent } from '../content.ts';
import { layerType } from './compression.ts';
import { checkExpected } from './expected-digest.ts';
import { openVerified } from './file-part.ts';
import type { SourceOptions } from './options.ts';
import { sourceError } from './source-error.ts';
import type { TarFile } from './tar-file.ts';

/** A rootfs as one tar, without an image around it: its name is the digest of the uncompressed tar. */
export function rootfsContent(
  tar: TarFile,
  reference: string,
  { expectedDigest }: SourceOptions,
): ImageContent {
  const { path, digest, diffId, size, compression } = tar;
  checkExpected(expectedDigest, [diffId], reference);
  if (tar.files.size === 0)
    throw sourceError(reference, 'is a tar without a single file', 'name the tar of a rootfs or of an image');
  const open = async () => openVerified({ path, offset: 0, size }, { reference, digest, size });
  const layer = { digest, diffId, size, mediaType: layerType(compression), open };
  return { digest: diffId, reference, layers: [layer], config: undefined };
}
