import { type ImageConfig, sourceError } from '../content.ts';
import { shortDigest } from '../digest.ts';
import { type Descriptor, type ImageManifest, parseConfig, parseImageDocument } from './documents.ts';
import { checkExpected, type SourceOptions } from './options.ts';
import { choosePlatform, refusePlatform } from './platform.ts';

/** A document as it was stored: its digest is that of these bytes. */
export interface StoredDocument {
  readonly digest: string;
  readonly bytes: Buffer;
}

/** Where an image's documents are. */
export interface DocumentStore {
  manifest(descriptor: Descriptor): Promise<StoredDocument>;
  config(descriptor: Descriptor): Promise<StoredDocument>;
}

export interface ResolvedLayer {
  readonly descriptor: Descriptor;
  readonly diffId: string;
}

export interface ResolvedImage {
  readonly digest: string;
  readonly config: ImageConfig;
  readonly layers: readonly ResolvedLayer[];
}

/** An index may hold indexes; no tool makes more than one below another. */
const deepestIndex = 3;

/**
 * Finds the layers for the platform, from the index or the manifest that a name leads to.
 * @throws MounterError (system) when there is nothing for the platform, a document is damaged, or it is
 *   another image than expected.
 */
export async function resolveImage(
  first: StoredDocument,
  store: DocumentStore,
  reference: string,
  options: SourceOptions,
): Promise<ResolvedImage> {
  const digests = [first.digest];
  let document = first;
  for (let depth = 0; depth <= deepestIndex; depth += 1) {
    const parsed = parseImageDocument(
      document.bytes,
      `the manifest ${shortDigest(document.digest)}`,
      reference,
    );
    if (parsed.kind === 'manifest')
      return resolveManifest(parsed.manifest, digests, store, reference, options);
    document = await store.manifest(choosePlatform(parsed.manifests, options.platform, reference));
    digests.unshift(document.digest);
  }
  throw sourceError(reference, 'its index leads from one index to the next', 'build the image again');
}

async function resolveManifest(
  manifest: ImageManifest,
  digests: readonly string[],
  store: DocumentStore,
  reference: string,
  options: SourceOptions,
): Promise<ResolvedImage> {
  refuseArtifact(manifest, reference);
  const { bytes } = await store.config(manifest.config);
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
  return { digest: digests[0] ?? '', config, layers };
}

const configTypes = [
  'application/vnd.oci.image.config.v1+json',
  'application/vnd.docker.container.image.v1+json',
];
const layerType =
  /^application\/vnd\.(oci\.image\.layer\.(nondistributable\.)?v1\.tar(\+(gzip|zstd))?|docker\.image\.rootfs\.(foreign\.)?diff\.tar(\.(gzip|zstd))?)$/;

/** Registries hold Helm charts and signatures as well. */
function refuseArtifact({ config, layers }: ImageManifest, reference: string): void {
  if (!configTypes.includes(config.mediaType)) {
    const message = `is no container image: its configuration is of the type ${config.mediaType}`;
    throw sourceError(reference, message, 'check the name: it leads to something else');
  }
  const unknown = layers.find(({ mediaType }) => !layerType.test(mediaType));
  if (unknown === undefined) return;
  throw sourceError(
    reference,
    `the layer ${shortDigest(unknown.digest)} is of an unknown type, ${unknown.mediaType}`,
    'build the image with layers that are tars, plain or compressed with gzip or zstd',
  );
}
