import { isLayerType, plainType } from '../compression.ts';
import { type ImageConfig, sourceError } from '../content.ts';
import { shortDigest } from '../digest.ts';
import { layerLimits, tooLarge } from '../layers/limits.ts';
import { type Descriptor, type ImageManifest, parseConfig, parseImageDocument } from './documents.ts';
import { checkExpected, type SourceOptions } from './options.ts';
import { choosePlatform, OtherImage, refusePlatform } from './platform.ts';

/** A document as it was stored: its digest is that of these bytes. */
export interface StoredDocument {
  readonly digest: string;
  readonly bytes: Buffer;
}

/** Brings a document of the image from where it is stored. */
export type FetchDocument = (
  descriptor: Descriptor,
  kind: 'manifest' | 'configuration',
) => Promise<StoredDocument>;

export interface ResolvedLayer {
  readonly descriptor: Descriptor;
  readonly diffId: string;
}

export interface ResolvedImage {
  readonly digest: string;
  /** Of the document that the name leads to: the same, or an index above it. */
  readonly asked: string;
  readonly config: ImageConfig;
  readonly layers: readonly ResolvedLayer[];
}

/** An index leads to one, or where it names no platforms, to some; an index below another is rare. */
const mostDocuments = 50;

interface Search {
  readonly fetch: FetchDocument;
  readonly reference: string;
  readonly options: SourceOptions;
  documents: number;
}

/**
 * Finds the layers for the platform.
 * @param from the index or the manifest that a name leads to, or those that an index.json has for it.
 * @throws MounterError (system) when there is nothing for the platform, a document is damaged, or it is
 *   another image than expected.
 */
export async function resolveImage(
  from: StoredDocument | readonly Descriptor[],
  fetch: FetchDocument,
  reference: string,
  options: SourceOptions,
): Promise<ResolvedImage> {
  const search = { fetch, reference, options, documents: 0 };
  return 'bytes' in from ? await resolveDocument(from, [], search) : await resolveFirst(from, [], search);
}

/** @param above digests of the indexes that led here, the nearest first. */
async function resolveDocument(
  { digest, bytes }: StoredDocument,
  above: readonly string[],
  search: Search,
): Promise<ResolvedImage> {
  const { reference, options } = search;
  const digests = [digest, ...above];
  const parsed = parseImageDocument(bytes, `the manifest ${shortDigest(digest)}`, reference);
  if (parsed.kind === 'manifest') return await resolveManifest(parsed.manifest, digests, search);
  return await resolveFirst(choosePlatform(parsed.manifests, options.platform, reference), digests, search);
}

/** The first that is an image for the platform. @throws what the last one is instead. */
async function resolveFirst(
  [first, ...others]: readonly Descriptor[],
  above: readonly string[],
  search: Search,
): Promise<ResolvedImage> {
  search.documents += 1;
  if (first === undefined || search.documents > mostDocuments)
    throw sourceError(search.reference, 'its index leads to no end of others', 'build the image again');
  try {
    return await resolveDocument(await search.fetch(first, 'manifest'), above, search);
  } catch (error) {
    if (others.length === 0 || !(error instanceof OtherImage)) throw error;
  }
  return await resolveFirst(others, above, search);
}

async function resolveManifest(
  manifest: ImageManifest,
  digests: readonly string[],
  { fetch, reference, options }: Search,
): Promise<ResolvedImage> {
  refuseArtifact(manifest, reference);
  refuseLarge(manifest, reference);
  const { bytes } = await fetch(manifest.config, 'configuration');
  const what = `the configuration ${shortDigest(manifest.config.digest)}`;
  const { config, diffIds } = parseConfig(bytes, what, reference);
  refusePlatform(config, options.platform, reference);
  if (diffIds.length !== manifest.layers.length) {
    const counts = `${diffIds.length} layers, the manifest ${manifest.layers.length}`;
    throw sourceError(reference, `${what} speaks of ${counts}`, 'build the image again');
  }
  const layers = manifest.layers.map((descriptor, at) => ({ descriptor, diffId: diffIds[at] ?? '' }));
  const [only, second] = diffIds;
  const isSingle = only !== undefined && second === undefined;
  checkExpected(options.expectedDigest, [...digests, ...(isSingle ? [only] : [])], reference);
  return { digest: digests[0] ?? '', asked: digests.at(-1) ?? '', config, layers };
}

/** What is too large to be unpacked is not fetched: it would fill the disk of the node before that. */
function refuseLarge({ layers }: ImageManifest, reference: string): void {
  const bytes = layers.reduce((sum, { size }) => sum + size, 0);
  if (bytes > layerLimits.bytes) throw sourceError(reference, ...tooLarge('its layers have', bytes));
}

/** The last four say nothing: Docker 1.10 and some registries wrote them, and docker takes them for an image's. */
const configTypes = [
  'application/vnd.oci.image.config.v1+json',
  'application/vnd.docker.container.image.v1+json',
  'application/octet-stream',
  'application/json',
  'text/html',
  '',
];

/** Registries hold Helm charts and signatures as well. */
function refuseArtifact({ config, layers }: ImageManifest, reference: string): void {
  if (!configTypes.includes(plainType(config.mediaType))) {
    const message = `is no container image: its configuration is of the type ${config.mediaType}`;
    throw new OtherImage(reference, message, 'check the name: it leads to something else');
  }
  const unknown = layers.find(({ mediaType }) => !isLayerType(mediaType));
  if (unknown === undefined) return;
  throw sourceError(
    reference,
    `the layer ${shortDigest(unknown.digest)} is of an unknown type, ${unknown.mediaType}`,
    'build the image with layers that are tars, plain or compressed with gzip or zstd',
  );
}
