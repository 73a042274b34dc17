import { type ImageContent, type Layer, sourceError } from '../content.ts';
import { digestOf, digitsOf, shortDigest } from '../digest.ts';
import { type Descriptor, parseImageDocument } from './documents.ts';
import { damaged, differs, type FindPart, openVerified, readDocument, requirePart } from './file-part.ts';
import type { SourceOptions } from './options.ts';
import { choosePlatform } from './platform.ts';
import { resolveImage, type StoredDocument } from './resolve.ts';

/** @see https://github.com/opencontainers/image-spec/blob/main/image-layout.md */
export function isOciLayout(find: FindPart): boolean {
  return find('oci-layout') !== undefined && find('index.json') !== undefined;
}

const nameAnnotation = 'org.opencontainers.image.ref.name';
const titleLabel = 'org.opencontainers.image.title';

/**
 * @param find files of the layout by name: of a directory, or of a tar.
 * @param tag which image of several; its name in index.json.
 */
export async function ociLayoutContent(
  find: FindPart,
  tag: string | undefined,
  reference: string,
  options: SourceOptions,
): Promise<ImageContent> {
  const index = parseImageDocument(
    await readDocument(find, 'index.json', reference),
    'index.json',
    reference,
  );
  if (index.kind !== 'index') throw damaged(reference, 'index.json is no index');
  const document = async (wanted: Descriptor): Promise<StoredDocument> => {
    const bytes = await readDocument(find, blobName(wanted.digest), reference);
    const digest = digestOf(bytes);
    if (digest === wanted.digest) return { digest, bytes };
    throw differs({ reference, ...wanted }, `has the digest ${digest}`);
  };
  const chosen = chooseImage(index.manifests, tag, reference, options);
  const first = await document(chosen);
  const { digest, config, layers } = await resolveImage(first, document, reference, options);
  const open = ({ descriptor, diffId }: (typeof layers)[number]) =>
    layerOf(find, descriptor, diffId, reference);
  const name = nameOf(chosen.annotations?.[nameAnnotation], config.labels[titleLabel]);
  return { digest, reference, name, layers: layers.map(open), config };
}

/** @param ref a tag, or a whole reference. */
function nameOf(ref: string | undefined, title: string | undefined): string | undefined {
  if (ref === undefined || title === undefined) return ref ?? title;
  return ref.includes(':') ? ref : `${title}:${ref}`;
}

function layerOf(find: FindPart, descriptor: Descriptor, diffId: string, reference: string): Layer {
  const { digest, size, mediaType } = descriptor;
  const part = requirePart(find, blobName(digest), reference);
  const blob = { reference, digest, size };
  if (part.size !== size) throw differs(blob, `has ${part.size} bytes instead of ${size}`);
  return { digest, diffId, size, mediaType, open: async () => openVerified(part, blob) };
}

/** The one of that name; the only one; or the only one for the platform. */
function chooseImage(
  manifests: readonly Descriptor[],
  tag: string | undefined,
  reference: string,
  options: SourceOptions,
): Descriptor {
  const nameOf = ({ annotations }: Descriptor) => annotations?.[nameAnnotation];
  const named = manifests.find((descriptor) => {
    const name = nameOf(descriptor);
    return tag !== undefined && (name === tag || name?.endsWith(`:${tag}`));
  });
  if (named !== undefined) return named;
  const names = manifests.flatMap((descriptor) => nameOf(descriptor) ?? shortDigest(descriptor.digest));
  if (tag !== undefined || manifests.length === 0)
    throw sourceError(
      reference,
      `has no image ${tag ?? 'at all'}${names.length > 0 ? `; it has ${names.join(', ')}` : ''}`,
      'name one of them, as oci:DIRECTORY:TAG',
    );
  const [only, second] = manifests;
  if (only !== undefined && second === undefined) return only;
  const isPerPlatform = manifests.every(({ platform }) => platform !== undefined);
  if (isPerPlatform) return choosePlatform(manifests, options.platform, reference);
  throw sourceError(reference, `has several images: ${names.join(', ')}`, 'name one, as oci:DIRECTORY:TAG');
}

function blobName(digest: string): string {
  return `blobs/sha256/${digitsOf(digest)}`;
}
