import type { KeyObject } from 'node:crypto';
import { digestOf } from '../rootfs/archive.ts';
import { writeWhole } from '../scratch.ts';
import { writeLayoutFiles } from './layout.ts';
import type { Material } from './materials.ts';
import { descriptor, type Image, indexOfMany, jsonOf, mediaTypes } from './oci.ts';
import { provenanceOf } from './provenance.ts';
import { cycloneDxOf, type Subject, spdxOf } from './sbom.ts';
import { attestationOf } from './signature.ts';

/** What is said of an image, by the tag that it has in its layout, each with its media type. */
const kinds = {
  spdx: 'application/spdx+json',
  cyclonedx: 'application/vnd.cyclonedx+json',
  provenance: 'application/vnd.in-toto+json',
} as const;
export type ReferrerKind = keyof typeof kinds;

/** What an image is made of, and how. */
export interface Origin {
  readonly subject: Subject;
  readonly materials: readonly Material[];
  readonly parameters: Readonly<Record<string, string | number>>;
}

/** What was written. */
export interface Referrers {
  readonly layout: string;
  /** The tag of the signed provenance, in the layout as well. */
  readonly attestation: string | undefined;
}

/**
 * Writes `OUTPUT.KIND.json` for each kind, and all of them to the layout `OUTPUT-referrers`, as artifacts that name the
 * image as their subject. With a key the provenance is signed as well: `OUTPUT.provenance.dsse.json`, and in the layout by
 * cosign's tag for it.
 * @returns the layout.
 */
export async function writeReferrers(
  image: Image,
  origin: Origin,
  output: string,
  key: KeyObject | undefined,
): Promise<Referrers> {
  const { subject, materials, parameters } = origin;
  const documents: Readonly<Record<ReferrerKind, object>> = {
    spdx: spdxOf(subject, materials),
    cyclonedx: cycloneDxOf(subject, materials),
    provenance: await provenanceOf(subject, materials, parameters),
  };
  const artifacts = (Object.keys(kinds) as ReferrerKind[]).map((kind) => {
    const text = Buffer.from(`${JSON.stringify(documents[kind], null, 2)}\n`);
    return { kind, text, manifest: artifactOf(image, kind, text) };
  });
  for (const { kind, text } of artifacts) await writeWhole(`${output}.${kind}.json`, text);
  const blobs = [nothing, ...artifacts.flatMap(({ text, manifest }) => [text, manifest])];
  const named = artifacts.map(({ kind, manifest }) => ({
    entry: { ...descriptor(mediaTypes.manifest, manifest), artifactType: kinds[kind] },
    tag: kind,
  }));
  const layout = `${output}-referrers`;
  const files = new Map(blobs.map((blob) => [digestOf(blob), blob]));
  const statement = artifacts.find(({ kind }) => kind === 'provenance')?.text;
  const attestation = key && statement && attestationOf(image.digest, statement, key);
  if (attestation === undefined) {
    await writeLayoutFiles(files, indexOfMany(named), layout);
    return { layout, attestation: undefined };
  }
  const { tag, manifest, envelope } = attestation;
  await writeWhole(`${output}.provenance.dsse.json`, envelope);
  const all = [...named, { entry: descriptor(mediaTypes.manifest, manifest), tag }];
  await writeLayoutFiles(new Map([...files, ...attestation.blobs]), indexOfMany(all), layout);
  return { layout, attestation: tag };
}

const nothing = Buffer.from('{}');

/** @see https://github.com/opencontainers/image-spec/blob/main/manifest.md#guidelines-for-artifact-usage */
function artifactOf(image: Image, kind: ReferrerKind, document: Buffer): Buffer {
  return jsonOf({
    schemaVersion: 2,
    mediaType: mediaTypes.manifest,
    artifactType: kinds[kind],
    config: descriptor('application/vnd.oci.empty.v1+json', nothing),
    layers: [descriptor(kinds[kind], document)],
    subject: descriptor(mediaTypes.manifest, image.manifest),
  });
}
