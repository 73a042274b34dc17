import { type ImageContent, type Layer, sourceError } from '../content.ts';
import { digestOf, digitsOf, shortDigest } from '../digest.ts';
import { type Descriptor, parseImageDocument } from './documents.ts';
import { damaged, differs, type FindPart, openVerified, readDocument, requirePart } from './file-part.ts';
import type { SourceOptions } from './options.ts';
import { choosePlatform } from './platform.ts';
import { resolveImage, type StoredDocument } from './resolve.ts';

export const blobsDirectory = 'blobs/sha256';

/**
 * skopeo and podman read one that lacks its oci-layout.
 * @param hasBlobs whether it has that directory.
 * @see https://github.com/opencontainers/image-spec/blob/main/image-layout.md
 */
export function isOciLayout(find: FindPart, hasBlobs: boolean): boolean {
  return find('index.json') !== undefined && (hasBlobs || find('oci-layout') !== undefined);
}

/** A tag, or a whole reference; docker save and ctr export write both. */
const nameAnnotations = ['io.containerd.image.name', 'org.opencontainers.image.ref.name'];
const titleLabel = 'org.opencontainers.image.title';

/**
 * @param find files of the layout by name: of a directory, or of a tar.
 * @param tag which image of several; its name in index.json.
 * @param namingHint how to say which of several images is meant.
 */
export async function ociLayoutContent(
  find: FindPart,
  tag: string | undefined,
  reference: string,
  options: SourceOptions,
  namingHint: string,
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
  const choice = { manifests: index.manifests, tag, reference, options, namingHint };
  const chosen = chooseImage(choice);
  const { digest, config, layers } = await resolveImage(chosen, document, reference, options);
  const open = ({ descriptor, diffId }: (typeof layers)[number]) =>
    layerOf(find, descriptor, diffId, reference);
  const name = nameOf(chosen.flatMap(namesOf).at(-1), config.labels[titleLabel]);
  return { digest, reference, name, layers: layers.map(open), config };
}

/** @param ref a tag, or a whole reference. */
function nameOf(ref: string | undefined, title: string | undefined): string | undefined {
  if (ref === undefined || title === undefined) return ref ?? title;
  return ref.includes(':') ? ref : `${title}:${ref}`;
}

function layerOf(find: FindPart, descriptor: Descriptor, diffId: string, reference: string): Layer {
  const { digest, size } = descriptor;
  const part = requirePart(find, blobName(digest), reference);
  const blob = { reference, digest, size };
  if (part.size !== size) throw differs(blob, `has ${part.size} bytes instead of ${size}`);
  return { digest, diffId, size, open: async () => openVerified(part, blob) };
}

interface Choice {
  readonly manifests: readonly Descriptor[];
  readonly tag: string | undefined;
  readonly reference: string;
  readonly options: SourceOptions;
  readonly namingHint: string;
}

/** The one of that name; the only one, which may have several names; or those for the platform. */
function chooseImage({ manifests, tag, reference, options, namingHint }: Choice): readonly Descriptor[] {
  const isNamed = (name: string) => name === tag || name.endsWith(`:${tag}`);
  const found = tag === undefined ? manifests : manifests.filter((image) => namesOf(image).some(isNamed));
  const names = manifests.map((image) => namesOf(image)[0] ?? shortDigest(image.digest)).join(', ');
  const [first] = found;
  if (first === undefined) {
    const there = names === '' ? '' : `; it has ${names}`;
    throw sourceError(reference, `has no image ${tag ?? 'at all'}${there}`, namingHint);
  }
  if (found.every(({ digest }) => digest === first.digest)) return [first];
  if (found.every(({ platform }) => platform !== undefined))
    return choosePlatform(found, options.platform, reference);
  throw sourceError(reference, `has several images: ${names}`, namingHint);
}

function namesOf({ annotations }: Descriptor): readonly string[] {
  return nameAnnotations.flatMap((key) => annotations[key] || []);
}

function blobName(digest: string): string {
  return `${blobsDirectory}/${digitsOf(digest)}`;
}
