import { readFileSync } from 'node:fs';
import { Ajv } from 'ajv';
import test from 'ava';
import { nodeAgentMaterials, rootfsMaterials } from '../../../../scripts/image/materials.ts';
import { provenanceOf } from '../../../../scripts/image/provenance.ts';
import type { RootfsFiles } from '../../../../scripts/image/rootfs-image.ts';
import { cycloneDxOf, spdxOf } from '../../../../scripts/image/sbom.ts';
import { oneManifest } from '../../../../scripts/rootfs/pins.ts';
import { parseManifest } from '../../../../src/manifest/manifest.ts';

const pinned = parseManifest(readFileSync('rootfs-manifest.json', 'utf8'), 'rootfs-manifest.json');
const manifest = await oneManifest(pinned, 'amd64');
// Nothing else of them is asked for.
const files = { manifest } as RootfsFiles;
const materials = {
  'storage-tools': rootfsMaterials(files),
  'mounter-node-agent': nodeAgentMaterials(files, {
    name: 'musl-dev',
    version: '1.2.5-3',
    architecture: 'amd64',
    sha256: '0123456789abcdef'.repeat(4),
  }),
};
const digest = `sha256:${'0123456789abcdef'.repeat(4)}`;
const created = '2025-01-01T00:00:00Z';

/** CycloneDX's own, as its library brings it along. */
function cycloneDxSchema() {
  const read = (name: string) =>
    JSON.parse(
      readFileSync(
        `node_modules/@cyclonedx/cyclonedx-library/res/schema/${name}.SNAPSHOT.schema.json`,
        'utf8',
      ),
    );
  const ajv = new Ajv({ strict: false, validateFormats: false, allErrors: true });
  for (const name of ['spdx', 'jsf-0.82', 'cryptography-defs'])
    ajv.addSchema(read(name), `http://cyclonedx.org/schema/${name}.SNAPSHOT.schema.json`);
  return ajv.compile(read('bom-1.6'));
}

for (const [name, parts] of Object.entries(materials)) {
  const subject = { name, version: 'v1', digest, created };

  test(`${name}: CycloneDX, by its schema`, (t) => {
    const isValid = cycloneDxSchema();
    t.true(isValid(cycloneDxOf(subject, parts)), JSON.stringify(isValid.errors));
    t.false(isValid({ ...cycloneDxOf(subject, parts), specVersion: 1 }));
  });

  test(`${name}: SPDX has each part once, as a part of the image`, (t) => {
    const { packages, relationships, ...document } = JSON.parse(JSON.stringify(spdxOf(subject, parts)));
    t.is(document.spdxVersion, 'SPDX-2.3');
    const ids = packages.map((one: { readonly SPDXID: string }) => one.SPDXID);
    t.is(new Set(ids).size, parts.length + 1);
    for (const id of [document.SPDXID, ...ids]) t.regex(id, /^SPDXRef-[A-Za-z0-9.-]+$/);
    t.is(relationships.length, ids.length);
    for (const one of relationships) t.true(ids.includes(one.relatedSpdxElement));
    for (const { checksums } of packages)
      for (const { algorithm, checksumValue } of checksums)
        t.is(checksumValue.length, { SHA256: 64, SHA512: 128 }[algorithm as 'SHA256' | 'SHA512']);
  });

  test(`${name}: provenance names all parts with their digests`, async (t) => {
    const statement = JSON.parse(JSON.stringify(await provenanceOf(subject, parts, { suite: 'x' })));
    t.deepEqual(statement.subject, [{ name, digest: { sha256: digest.slice(7) } }]);
    const { resolvedDependencies } = statement.predicate.buildDefinition;
    const named = resolvedDependencies.map(({ uri = '' }: { readonly uri?: string }) => uri);
    for (const { purl } of parts) t.true(named.includes(purl), purl);
    for (const one of resolvedDependencies) t.regex(Object.values(one.digest).join(), /^[0-9a-f]{40,128}$/);
  });
}

test('what the executable is made of: what package.json depends on, the engines, and nothing for development', (t) => {
  const names = materials['mounter-node-agent'].map(({ name }) => name);
  const { dependencies } = JSON.parse(readFileSync('package.json', 'utf8'));
  for (const name of [...Object.keys(dependencies), 'bun', 'quickjs', 'musl-dev', 'nfs-common'])
    t.true(names.includes(name), name);
  for (const name of ['ava', 'typescript', '@types/node']) t.false(names.includes(name), name);
  const purls = materials['mounter-node-agent'].map(({ purl }) => purl);
  t.is(new Set(purls).size, purls.length);
});
