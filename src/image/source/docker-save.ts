import * as v from 'valibot';
import { compressionAt } from '../compression.ts';
import { type ImageContent, type Layer, sourceError } from '../content.ts';
import { digestOf, digestOfAll } from '../digest.ts';
import { checked, parseConfig, parseJson } from './documents.ts';
import {
  damaged,
  type FilePart,
  type FindPart,
  openPart,
  openVerified,
  readDocument,
  requirePart,
} from './file-part.ts';
import { checkExpected, type SourceOptions } from './options.ts';
import { refusePlatform } from './platform.ts';

/**
 * What `docker save` writes: manifest.json, with the names of a configuration and of layers in the same tar.
 *
 *     [{"Config": "<id>.json", "RepoTags": ["tools:v3"], "Layers": ["<id>/layer.tar", …]}]
 *
 * It keeps no manifest with digests. So the image goes by the digest of its configuration, docker's image
 * ID, which holds those of the uncompressed layers.
 */
const manifestSchema = v.array(
  v.object({
    Config: v.string(),
    RepoTags: v.optional(v.array(v.string()), []),
    Layers: v.optional(v.array(v.string()), []),
  }),
);

/** What to do about a tar in which there is not exactly one image. */
export const saveOne = 'save one image alone: docker save -o FILE IMAGE, or skopeo copy … oci-archive:FILE';

/**
 * A rootfs may have a manifest.json of its own: it is docker's when it has docker's fields, whatever is in them. What is
 * wrong with them is an image's fault then, and no reason to take it for a rootfs.
 */
export async function isDockerSave(find: FindPart): Promise<boolean> {
  try {
    const json: unknown = JSON.parse(String(await readDocument(find, 'manifest.json', '')));
    return (
      Array.isArray(json) && json.some((image) => 'Config' in Object(image) || 'Layers' in Object(image))
    );
  } catch {
    return false;
  }
}

/** @throws MounterError (system) when there is not exactly one image in it, or a part is missing. */
export async function dockerSaveContent(
  find: FindPart,
  reference: string,
  options: SourceOptions,
): Promise<ImageContent> {
  const manifestBytes = await readDocument(find, 'manifest.json', reference);
  const images = checked(
    manifestSchema,
    parseJson(manifestBytes, 'manifest.json', reference),
    'manifest.json',
    reference,
  );
  const [image, ...others] = images;
  // The same one again has other tags.
  const isSame = ({ Config }: { readonly Config: string }) => Config === image?.Config;
  if (image === undefined || !others.every(isSame)) throw notOne(images, reference);
  const bytes = await readDocument(find, image.Config, reference);
  const { config, diffIds } = parseConfig(bytes, image.Config, reference);
  refusePlatform(config, options.platform, reference);
  if (diffIds.length !== image.Layers.length)
    throw damaged(reference, `${image.Config} speaks of ${diffIds.length} layers, manifest.json of others`);
  const digest = digestOf(bytes);
  checkExpected(options.expectedDigest, [digest, ...(diffIds.length === 1 ? diffIds : [])], reference);
  const layers = await Promise.all(
    image.Layers.map((name, at) => layerOf(requirePart(find, name, reference), diffIds[at] ?? '', reference)),
  );
  return { digest, reference, layers, config };
}

async function layerOf(part: FilePart, diffId: string, reference: string): Promise<Layer> {
  const { path, offset, size } = part;
  const compression = await compressionAt(path, offset);
  const digest = compression === 'none' ? diffId : await digestOfAll(openPart(part));
  const open = async () => openVerified(part, { reference, digest, size });
  return { digest, diffId, size, open };
}

function notOne(images: v.InferOutput<typeof manifestSchema>, reference: string): Error {
  const names = images.map(({ RepoTags, Config }) => RepoTags?.[0] ?? Config).join(', ');
  const message = `there are ${images.length} images in it: ${names}`;
  return sourceError(reference, message, saveOne);
}
