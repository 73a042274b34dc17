import * as v from 'valibot';
import { parseJsonText } from '../../json.ts';
import { type ImageConfig, sourceError } from '../content.ts';
import { isDigest } from '../digest.ts';

/**
 * The JSON documents of an image: index, manifest, configuration.
 * @see https://github.com/opencontainers/image-spec: image-index.md, manifest.md, config.md
 */

/** A field that is null says as little as one that is missing: parseJson leaves it out. */
const text = v.optional(v.string(), '');

export const descriptorSchema = v.object({
  mediaType: text,
  artifactType: text,
  digest: v.pipe(v.string(), v.check(isDigest, 'is not sha256: and 64 hexadecimal digits')),
  size: v.pipe(v.number(), v.safeInteger(), v.minValue(0)),
  platform: v.optional(v.object({ os: text, architecture: text, variant: text })),
  annotations: v.optional(v.record(v.string(), v.string()), {}),
});
export type Descriptor = v.InferOutput<typeof descriptorSchema>;

const indexSchema = v.object({ manifests: v.array(descriptorSchema) });
const manifestSchema = v.object({
  config: descriptorSchema,
  layers: v.optional(v.array(descriptorSchema), []),
});
export type ImageManifest = v.InferOutput<typeof manifestSchema>;

const word = v.pipe(
  v.string(),
  v.transform((text) => [text]),
);
/** A single one may stand alone, for docker. */
const words = v.optional(v.union([v.array(v.string()), word]), []);
const configSchema = v.object({
  architecture: text,
  os: text,
  rootfs: v.optional(
    v.object({ diff_ids: v.optional(v.array(v.pipe(v.string(), v.check(isDigest))), []) }),
    {},
  ),
  config: v.optional(
    v.object({
      Labels: v.optional(v.record(v.string(), v.string()), {}),
      Entrypoint: words,
      Cmd: words,
      Env: words,
      WorkingDir: text,
    }),
    {},
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
  if (!('mediaType' in json) || json.mediaType === '') return true;
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
  const { Labels: labels, Entrypoint: entrypoint, Cmd: cmd, Env: env, WorkingDir: workingDirectory } = config;
  const settings = { labels, entrypoint, cmd, env, workingDirectory };
  return { config: { architecture, os, ...settings }, diffIds: rootfs.diff_ids };
}

/** Without the fields that are null: Go's programs write them, and read them as if they were not there. */
export function parseJson(bytes: Buffer, what: string, reference: string): unknown {
  try {
    return withoutNulls(bytes.toString('utf8'));
  } catch (error) {
    throw unreadable(what, reference, `is ${(error as Error).message}`, error);
  }
}

/** @throws Error as `parseJsonText` does. */
export function withoutNulls(json: string): unknown {
  return parseJsonText(json, (_, value) => (value === null ? undefined : value));
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
