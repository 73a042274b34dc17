import * as v from 'valibot';
import { MounterError } from '../../errors.ts';
import type { FoundSignature } from '../content.ts';
import { checked, descriptorSchema, parseJson } from '../source/documents.ts';

/**
 * How cosign stores the signatures of an image: as layers of a manifest, each of a media type of its own.
 * @see https://github.com/sigstore/cosign/blob/main/specs/SIGNATURE_SPEC.md, BUNDLE_SPEC.md
 */

const simpleSigning = 'application/vnd.dev.cosign.simplesigning.v1+json';
const signatureAnnotation = 'dev.cosignproject.cosign/signature';
/** Older bundles have no media type that could be relied on; cosign takes none of them either. */
const bundles = [
  'application/vnd.dev.sigstore.bundle.v0.3+json',
  'application/vnd.dev.sigstore.bundle+json;version=0.3',
];

const manifestSchema = v.object({
  subject: v.optional(v.object({ digest: v.string() })),
  layers: v.optional(v.array(descriptorSchema), []),
});

/** A hostile registry lists no end of them. */
export const mostSignatures = 100;

/**
 * The signatures in a manifest. Of one for another image, and of one that has something else in it, there are none.
 * @param isForSignatures whether it can be nothing else, by its name.
 * @param read brings a layer, complete.
 * @param signed the digest whose signatures are wanted.
 */
export async function* signaturesIn(
  bytes: Buffer,
  signed: string,
  isForSignatures: boolean,
  read: (digest: string) => Promise<Buffer>,
): AsyncGenerator<FoundSignature> {
  const what = 'the manifest of a signature';
  const manifest = await readable(async () => checked(manifestSchema, parseJson(bytes, what, ''), what, ''));
  if ('why' in manifest) {
    if (isForSignatures) yield manifest;
    return;
  }
  if (manifest.subject !== undefined && manifest.subject.digest !== signed) return;
  for (const { mediaType, digest, annotations } of manifest.layers.slice(0, mostSignatures)) {
    const isBundle = bundles.includes(mediaType.replaceAll(' ', ''));
    if (!isBundle && mediaType !== simpleSigning) {
      if (isForSignatures) yield { kind: 'unreadable', why: `it is of the type ${mediaType}` };
      continue;
    }
    const layer = await readable(() => read(digest));
    if ('why' in layer) yield layer;
    else if (isBundle) yield { kind: 'bundle', bytes: layer };
    else yield { kind: 'simpleSigning', payload: layer, signature: annotations[signatureAnnotation] ?? '' };
  }
}

type Unreadable = Extract<FoundSignature, { readonly kind: 'unreadable' }>;

/** What `action` returns; or why not, where another signature may do. @throws what may get better. */
export async function readable<T>(action: () => Promise<T>): Promise<T | Unreadable> {
  try {
    return await action();
  } catch (error) {
    if (!(error instanceof MounterError)) throw error;
    return { kind: 'unreadable', why: error.message };
  }
}
