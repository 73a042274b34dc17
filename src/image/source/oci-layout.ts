import { type FoundSignature, type ImageContent, type Layer, sourceError } from '../content.ts';
import { digestOf, digitsOf, shortDigest } from '../digest.ts';
import { signaturesIn } from '../signatures/stored.ts';
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
 * @param blobs the names of its blobs.
 * @param tag which image of several; its name in index.json.
 * @param namingHint how to say which of several images is meant.
 */
export async function ociLayoutContent(
  find: FindPart,
  blobs: () => readonly string[],
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
  const { digest, asked, config, layers } = await resolveImage(chosen, document, reference, options);
  const open = ({ descriptor, diffId }: (typeof layers)[number]) =>
    layerOf(find, descriptor, diffId, reference);
  const name = nameOf(chosen.flatMap(namesOf).at(-1), config.labels[titleLabel]);
  const signed = {
    digest: asked,
    repository: undefined,
    checkSignatures: <T>(check: (found: AsyncIterable<FoundSignature>) => Promise<T>) =>
      check(signaturesAmong(blobs(), find, asked)),
  };
  return { digest, reference, name, layers: layers.map(open), config, signed };
}

/** As much as any signature needs: one with its certificates has some KiB. */
const largestSignature = 1024 * 1024;

/**
 * The signatures of a digest, wherever they are: `cosign save` lists those of its first format in index.json, and no
 * others; skopeo lists what it copies by its tag. Damage is no matter here: what was changed is signed by nobody.
 */
async function* signaturesAmong(
  names: readonly string[],
  find: FindPart,
  digest: string,
): AsyncGenerator<FoundSignature> {
  const read = (name: string) => readDocument(find, `${blobsDirectory}/${name}`, digest);
  for (const name of names) {
    const size = find(`${blobsDirectory}/${name}`)?.size ?? largestSignature;
    if (size >= largestSignature) continue;
    const bytes = await read(name);
    if (bytes[0] === '{'.charCodeAt(0))
      yield* signaturesIn(bytes, digest, false, (wanted) => read(digitsOf(wanted)));
  }
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
  const images = manifests.filter((descriptor) => !isCompanion(descriptor));
  const found = tag === undefined ? images : images.filter((image) => namesOf(image).some(isNamed));
  const names = images.map((image) => namesOf(image)[0] ?? shortDigest(image.digest)).join(', ');
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

/** What belongs to an image, and is none: a signature by cosign's annotation or by its tag, or any other artifact. */
function isCompanion(descriptor: Descriptor): boolean {
  const { artifactType, annotations } = descriptor;
  const kind = annotations.kind ?? '';
  const isTagged = namesOf(descriptor).some((name) => /(^|:)sha256-[0-9a-f]{64}(\.\w+)?$/.test(name));
  return artifactType !== '' || isTagged || /^dev\.cosignproject\.cosign\/(?!image)/.test(kind);
}

function namesOf({ annotations }: Descriptor): readonly string[] {
  return nameAnnotations.flatMap((key) => annotations[key] || []);
}

function blobName(digest: string): string {
  return `${blobsDirectory}/${digitsOf(digest)}`;
}
