import { digestOf } from '../rootfs/archive.ts';

/** OCI image-spec 1.0: media types, the image's configuration, its manifest and the index of a layout. */

export const compressions = ['zstd', 'gzip'] as const;
export type Compression = (typeof compressions)[number];

export const mediaTypes = {
  index: 'application/vnd.oci.image.index.v1+json',
  manifest: 'application/vnd.oci.image.manifest.v1+json',
  config: 'application/vnd.oci.image.config.v1+json',
  layer: {
    zstd: 'application/vnd.oci.image.layer.v1.tar+zstd',
    gzip: 'application/vnd.oci.image.layer.v1.tar+gzip',
  },
} as const;

/** A layer as it is stored. */
export interface LayerBlob {
  readonly blob: Buffer;
  readonly compression: Compression;
  /** Of the uncompressed tar, `sha256:…`. */
  readonly diffId: string;
  /** What made it, for `skopeo inspect --config` and the like. */
  readonly createdBy: string;
}

export interface ImageRequest {
  /** As Go names it: `amd64`, `arm64`. */
  readonly architecture: string;
  /** Seconds since 1970. */
  readonly epoch: number;
  readonly labels: Readonly<Record<string, string>>;
  /** `NAME=VALUE` each. */
  readonly environment: readonly string[];
  /** What a container of it runs; none for an image that is only unpacked. */
  readonly entrypoint?: readonly string[];
  /** The lowest first. */
  readonly layers: readonly LayerBlob[];
}

export interface Image {
  /** Of the manifest: what a node pulls by, and an operator pins. */
  readonly digest: string;
  /** Of the configuration: the same however the layers are compressed. */
  readonly configDigest: string;
  readonly manifest: Buffer;
  /** Everything the layout holds below blobs/sha256, manifest and configuration too, by digest. */
  readonly blobs: ReadonlyMap<string, Buffer>;
}

/** The same request gives the same bytes. */
export function composeImage(request: ImageRequest): Image {
  const config = jsonOf(configOf(request));
  const manifest = jsonOf({
    schemaVersion: 2,
    mediaType: mediaTypes.manifest,
    config: descriptor(mediaTypes.config, config),
    layers: request.layers.map(({ blob, compression }) => descriptor(mediaTypes.layer[compression], blob)),
    annotations: request.labels,
  });
  const blobs = [...request.layers.map(({ blob }) => blob), config, manifest];
  return {
    digest: digestOf(manifest),
    configDigest: digestOf(config),
    manifest,
    blobs: new Map(blobs.map((blob) => [digestOf(blob), blob])),
  };
}

function configOf({ architecture, epoch, labels, environment, entrypoint, layers }: ImageRequest): unknown {
  const created = timeOf(epoch);
  return {
    created,
    architecture,
    os: 'linux',
    config: {
      Env: environment,
      ...(entrypoint === undefined ? {} : { Entrypoint: entrypoint }),
      Labels: labels,
    },
    rootfs: { type: 'layers', diff_ids: layers.map(({ diffId }) => diffId) },
    history: layers.map(({ createdBy }) => ({ created, created_by: createdBy })),
  };
}

/** Images by their architectures: one, or several, of which a node chooses its own by an index. */
export type Images = Readonly<Record<string, Image>>;

/** What a registry has under one tag. */
interface Published {
  /** Of the one image's manifest, or of the index. */
  readonly digest: string;
  /** Its descriptor, for index.json of a layout. */
  readonly entry: Readonly<Record<string, unknown>>;
  readonly blobs: ReadonlyMap<string, Buffer>;
}

/** skopeo 1.14 and later puts it into an index that it copies, and where digests are to be preserved fails instead. */
const zstdAnnotation = { annotations: { 'io.github.containers.compression.zstd': 'true' } };

export function publishedOf(images: Images): Published {
  const entries = Object.entries(images).map(([architecture, { manifest }]) => ({
    ...descriptor(mediaTypes.manifest, manifest),
    platform: { architecture, os: 'linux' },
    ...(manifest.includes(mediaTypes.layer.zstd) ? zstdAnnotation : {}),
  }));
  const blobs = new Map(Object.values(images).flatMap((image) => [...image.blobs]));
  const [entry] = entries;
  if (entry !== undefined && entries.length === 1) return { digest: entry.digest, entry, blobs };
  const index = jsonOf({ schemaVersion: 2, mediaType: mediaTypes.index, manifests: entries });
  const digest = digestOf(index);
  return { digest, entry: descriptor(mediaTypes.index, index), blobs: blobs.set(digest, index) };
}

/** index.json of a layout that holds this under `tag`, and perhaps what belongs to it under its own. */
export function indexOf(
  { entry }: Published,
  tag: string,
  companion?: { readonly manifest: Buffer; readonly tag: string },
): Buffer {
  const image = { entry, tag };
  return indexOfMany(
    companion === undefined
      ? [image]
      : [image, { entry: descriptor(mediaTypes.manifest, companion.manifest), tag: companion.tag }],
  );
}

interface NamedManifest {
  /** Its descriptor, with what else is said of it. */
  readonly entry: Readonly<Record<string, unknown>>;
  readonly tag: string;
}

/** index.json of a layout with these. */
export function indexOfMany(named: readonly NamedManifest[]): Buffer {
  const manifests = named.map(({ entry, tag }) => ({
    ...entry,
    annotations: { 'org.opencontainers.image.ref.name': tag },
  }));
  return jsonOf({ schemaVersion: 2, mediaType: mediaTypes.index, manifests });
}

/** RFC 3339 in UTC, e.g. `2025-01-01T00:00:00Z`. */
export function timeOf(epoch: number): string {
  return new Date(epoch * 1000).toISOString().replace('.000Z', 'Z');
}

export function descriptor(mediaType: string, blob: Buffer) {
  return { mediaType, digest: digestOf(blob), size: blob.length };
}

export function jsonOf(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value));
}
