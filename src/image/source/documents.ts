import * as v from 'valibot';
import { type ImageConfig, sourceError } from '../content.ts';
import { isDigest } from '../digest.ts';

/**
 * The JSON documents of an image: index, manifest, configuration.
 * @see https://github.com/opencontainers/image-spec: image-index.md, manifest.md, config.md
 */

const descriptorSchema = v.object({
  mediaType: v.string(),
  digest: v.pipe(v.string(), v.check(isDigest, 'is not sha256: and 64 hexadecimal digits')),
  size: v.pipe(v.number(), v.safeInteger(), v.minValue(0)),
  platform: v.optional(
    v.object({ os: v.string(), architecture: v.string(), variant: v.optional(v.string()) }),
  ),
  annotations: v.optional(v.record(v.string(), v.string())),
});
export type Descriptor = v.InferOutput<typeof descriptorSchema>;

const indexSchema = v.object({ manifests: v.array(descriptorSchema) });
const manifestSchema = v.object({ config: descriptorSchema, layers: v.array(descriptorSchema) });
export type ImageManifest = v.InferOutput<typeof manifestSchema>;

const words = v.nullish(v.array(v.string()), []);
const configSchema = v.object({
  architecture: v.optional(v.string(), ''),
  os: v.optional(v.string(), ''),
  rootfs: v.object({ diff_ids: v.array(v.pipe(v.string(), v.check(isDigest))) }),
  config: v.nullish(
    v.object({
      Labels: v.nullish(v.record(v.string(), v.string()), {}),
      Entrypoint: words,
      Cmd: words,
      Env: words,
      WorkingDir: v.nullish(v.string(), ''),
    }),
  ),
});

export type ImageDocument =
  | { readonly kind: 'index'; readonly manifests: readonly Descriptor[] }
  | { readonly kind: 'manifest'; readonly manifest: ImageManifest };

/** The media types of manifests that a registry is asked for, in the order of preference. */
export const manifestTypes = [
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.v2+json',
];

/**
 * An index or a manifest; which of the two, the fields say. One that could be taken for both is refused:
 * two readers would see two images under one digest (CVE-2021-41190).
 * @throws MounterError (system) also for Docker's first format, which has no digests of layers to trust.
 */
export function parseImageDocument(bytes: Buffer, what: string, reference: string): ImageDocument {
  const json = parseJson(bytes, what, reference);
  if (typeof json !== 'object' || json === null) throw unreadable(what, reference, 'is no JSON object');
  if ('schemaVersion' in json && json.schemaVersion === 1) throw firstFormat(reference);
  const isIndex = 'manifests' in json;
  if (isIndex && ('layers' in json || 'config' in json))
    throw unreadable(what, reference, 'could be both an index and a manifest');
  if (!fitsMediaType(json, isIndex)) throw unreadable(what, reference, 'is not of the type it says');
  if (isIndex) return { kind: 'index', manifests: checked(indexSchema, json, what, reference).manifests };
  return { kind: 'manifest', manifest: checked(manifestSchema, json, what, reference) };
}

function fitsMediaType(json: object, isIndex: boolean): boolean {
  if (!('mediaType' in json) || json.mediaType === undefined) return true;
  return manifestTypes.slice(isIndex ? 0 : 2, isIndex ? 2 : 4).includes(String(json.mediaType));
}

/** @returns also the digests of the uncompressed layers, the lowest first. */
export function parseConfig(
  bytes: Buffer,
  what: string,
  reference: string,
): { readonly config: ImageConfig; readonly diffIds: readonly string[] } {
  const parsed = checked(configSchema, parseJson(bytes, what, reference), what, reference);
  const { architecture, os, config, rootfs } = parsed;
  const settings = {
    entrypoint: config?.Entrypoint ?? [],
    cmd: config?.Cmd ?? [],
    env: config?.Env ?? [],
    workingDirectory: config?.WorkingDir ?? '',
  };
  return {
    config: { architecture, os, labels: config?.Labels ?? {}, ...settings },
    diffIds: rootfs.diff_ids,
  };
}

export function parseJson(bytes: Buffer, what: string, reference: string): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch (error) {
    throw unreadable(what, reference, 'is no valid JSON', error);
  }
}

export function checked<T extends v.GenericSchema>(
  schema: T,
  json: unknown,
  what: string,
  reference: string,
): v.InferOutput<T> {
  const result = v.safeParse(schema, json);
  if (result.success) return result.output;
  const [issue] = result.issues;
  throw unreadable(
    what,
    reference,
    `is not as it should be: ${v.getDotPath(issue) ?? '.'}: ${issue.message}`,
  );
}

function unreadable(what: string, reference: string, how: string, cause?: unknown): Error {
  return sourceError(
    reference,
    `${what} ${how}`,
    'check what the name leads to, or build the image again',
    cause,
  );
}

function firstFormat(reference: string): Error {
  return sourceError(
    reference,
    "the manifest is of Docker's first format (schema 1), which cannot be verified",
    'push the image again with a tool of today, such as skopeo copy --format oci',
  );
}
