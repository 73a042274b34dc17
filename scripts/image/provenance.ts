import { readFile } from 'node:fs/promises';
import { sourcesOf } from '../git.ts';
import { repository } from '../paths.ts';
import { digestOf } from '../rootfs/archive.ts';
import type { Material } from './materials.ts';
import type { Subject } from './sbom.ts';

/**
 * Where an image comes from: an in-toto statement of what went into it, and how it was made.
 * @param parameters of `npm run image`, as far as they change its bytes.
 * @see https://slsa.dev/spec/v1.0/provenance
 */
export async function provenanceOf(
  { name, digest }: Subject,
  materials: readonly Material[],
  parameters: Readonly<Record<string, string | number>>,
): Promise<object> {
  const sources = await sourcesOf();
  const files = ['package-lock.json', 'rootfs-manifest.json'].map(async (file) => ({
    name: file,
    digest: { sha256: digestOf(await readFile(`${repository}/${file}`)).slice('sha256:'.length) },
  }));
  return {
    _type: 'https://in-toto.io/Statement/v1',
    subject: [{ name, digest: { sha256: digest.slice('sha256:'.length) } }],
    predicateType: 'https://slsa.dev/provenance/v1',
    predicate: {
      buildDefinition: {
        buildType: 'urn:containerized-mounter:npm-run-image:1',
        externalParameters: parameters,
        resolvedDependencies: [
          ...('commit' in sources ? [{ name: 'sources', digest: { gitCommit: sources.commit } }] : []),
          ...(await Promise.all(files)),
          ...materials.map(({ purl, hash }) => ({
            uri: purl,
            digest: { [hash.algorithm.replace('-', '').toLowerCase()]: hash.value },
          })),
        ],
      },
      runDetails: { builder: { id: 'urn:containerized-mounter:local' } },
    },
  };
}
