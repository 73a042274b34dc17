import { isLayerType } from '../compression.ts';
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
  fetch: FetchDocument,
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
      return resolveManifest(parsed.manifest, digests, fetch, reference, options);
    document = await fetch(choosePlatform(parsed.manifests, options.platform, reference), 'manifest');
    digests.unshift(document.digest);
  }
  throw sourceError(reference, 'its index leads from one index to the next', 'build the image again');
}

async function resolveManifest(
  manifest: ImageManifest,
  digests: readonly string[],
  fetch: FetchDocument,
  reference: string,
  options: SourceOptions,
): Promise<ResolvedImage> {
  refuseArtifact(manifest, reference);
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
  return { digest: digests[0] ?? '', config, layers };
}

const configTypes = [
  'application/vnd.oci.image.config.v1+json',
  'application/vnd.docker.container.image.v1+json',
];

/** Registries hold Helm charts and signatures as well. */
function refuseArtifact({ config, layers }: ImageManifest, reference: string): void {
  if (!configTypes.includes(config.mediaType)) {
    const message = `is no container image: its configuration is of the type ${config.mediaType}`;
    throw sourceError(reference, message, 'check the name: it leads to something else');
  }
  const unknown = layers.find(({ mediaType }) => !isLayerType(mediaType));
  if (unknown === undefined) return;
  throw sourceError(
    reference,
    `the layer ${shortDigest(unknown.digest)} is of an unknown type, ${unknown.mediaType}`,
    'build the image with layers that are tars, plain or compressed with gzip or zstd',
  );
}
