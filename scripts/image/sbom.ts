import { createHash } from 'node:crypto';
import type { Material } from './materials.ts';

/** What an image is, for a bill of what it is made of. */
export interface Subject {
  readonly name: string;
  readonly version: string;
  /** Of its manifest, `sha256:…`. */
  readonly digest: string;
  /** RFC 3339. */
  readonly created: string;
}

const maker = 'containerized-mounter';

/** @see https://spdx.github.io/spdx-spec/v2.3 */
export function spdxOf(subject: Subject, materials: readonly Material[]): object {
  const image = spdxPackage('SPDXRef-image', {
    name: subject.name,
    version: subject.version,
    purl: purlOf(subject),
    hash: { algorithm: 'SHA-256', value: subject.digest.slice('sha256:'.length) },
    licence: undefined,
  });
  const parts = materials.map((material, at) => spdxPackage(`SPDXRef-part-${at + 1}`, material));
  return {
    spdxVersion: 'SPDX-2.3',
    dataLicense: 'CC0-1.0',
    SPDXID: 'SPDXRef-DOCUMENT',
    name: `${subject.name}-${subject.version}`,
    documentNamespace: `urn:uuid:${uuidOf(subject)}`,
    creationInfo: { created: subject.created, creators: [`Tool: ${maker}`] },
    packages: [image, ...parts],
    relationships: [
      relationship('SPDXRef-DOCUMENT', 'DESCRIBES', image.SPDXID),
      ...parts.map(({ SPDXID }) => relationship(image.SPDXID, 'CONTAINS', SPDXID)),
    ],
  };
}

function spdxPackage(SPDXID: string, { name, version, purl, hash, licence = 'NOASSERTION' }: Material) {
  return {
    SPDXID,
    name,
    versionInfo: version,
    downloadLocation: 'NOASSERTION',
    filesAnalyzed: false,
    licenseConcluded: 'NOASSERTION',
    licenseDeclared: licence,
    copyrightText: 'NOASSERTION',
    checksums: [{ algorithm: hash.algorithm.replace('-', ''), checksumValue: hash.value }],
    externalRefs: [{ referenceCategory: 'PACKAGE-MANAGER', referenceType: 'purl', referenceLocator: purl }],
  };
}

function relationship(spdxElementId: string, relationshipType: string, relatedSpdxElement: string) {
  return { spdxElementId, relationshipType, relatedSpdxElement };
}

/** @see https://cyclonedx.org/docs/1.6/json */
export function cycloneDxOf(subject: Subject, materials: readonly Material[]): object {
  const purl = purlOf(subject);
  return {
    bomFormat: 'CycloneDX',
    specVersion: '1.6',
    serialNumber: `urn:uuid:${uuidOf(subject)}`,
    version: 1,
    metadata: {
      timestamp: subject.created,
      tools: { components: [{ type: 'application', name: maker }] },
      component: { type: 'container', name: subject.name, version: subject.version, 'bom-ref': purl, purl },
    },
    components: materials.map(({ name, version, purl: ref, hash, licence }) => ({
      type: 'library',
      'bom-ref': ref,
      name,
      version,
      purl: ref,
      hashes: [{ alg: hash.algorithm, content: hash.value }],
      ...(licence === undefined ? {} : { licenses: [{ expression: licence }] }),
    })),
    dependencies: [{ ref: purl, dependsOn: materials.map((material) => material.purl) }],
  };
}

function purlOf({ name, digest }: Subject): string {
  return `pkg:oci/${name}@${encodeURIComponent(digest)}`;
}

/** The same for the same image: RFC 9562, version 8. */
function uuidOf({ digest }: Subject): string {
  const hex = createHash('sha256').update(`${maker} ${digest}`).digest('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}
