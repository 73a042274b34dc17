import { copyFileSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { execa } from 'execa';
import { repository } from '../../scripts/paths.ts';
import { toolsDigest, toolsImage, toolsManifest } from '../../src/node-agent/places.ts';
import { Cosign, type KeyPair } from '../support/image/cosign.ts';
import { DockerRegistry } from '../support/image/docker-registry.ts';
import { RegistryClient } from '../support/image/registry-client.ts';
import { mounterHome, rootfsTar, ScratchNode, shared } from '../support/node/namespace.ts';

/** The published image, from a real registry into a node: what an operator does. */

const scratch = mkdtempSync(join(tmpdir(), 'published-image-'));
const layout = join(scratch, 'image');
/** Of the layout, which has the signature of its image as well. */
let source: string;
let key: KeyPair;

test.before(async () => {
  key = await (await Cosign.prepare(scratch)).keyPair('ecdsa');
  const argv = ['--output', layout, '--quick', '--allow-newer', '--sign-key', key.cosign];
  const env = { COSIGN_PASSWORD: '' };
  await execa(process.execPath, [`${repository}/scripts/image.ts`, ...argv], { env });
  source = `oci:${layout}:${JSON.parse(readFileSync(`${layout}.json`, 'utf8')).tag}`;
});

test.after.always(() => rmSync(scratch, { recursive: true, force: true }));

/** A node that reaches this machine's loopback, where the registry is; nothing but installs happens on it. */
const nodeInOurNetwork = () => ScratchNode.start({ enterNetwork: [] });

test.serial(
  'by tag, over plain http on loopback: complete, with the manifest that it brings along',
  async (t) => {
    await using registry = await DockerRegistry.start();
    await using node = await nodeInOurNetwork();
    const reference = await registry.push(source, 'storage-tools:v3');
    const installed = await node.mounter('install', reference);
    t.is(installed.status, 0, installed.stderr);
    t.regex((await node.mounter('install', reference)).stdout, /^installed already: /);
    t.is((await node.mounter('prepare')).status, 0);
    const status = JSON.parse((await node.mounter('status', '--json')).stdout);
    t.true(status.isPrepared);
    const helper = await node.mounter('exec', '--', '/sbin/mount.nfs', '-V');
    t.regex(helper.stdout + helper.stderr, /nfs-utils/);
  },
);

test.serial(
  'over TLS by a private CA, through a mirror, with a password; without them an error that says which',
  async (t) => {
    await using registry = await DockerRegistry.start({ tls: true, passwords: { me: 'secret' } });
    await using node = await nodeInOurNetwork();
    const reference = await registry.push(source, 'storage-tools:v3', 'me:secret');
    copyFileSync(join(registry.directory, 'ca.pem'), join(node.sharedDirectory, 'ca.pem'));
    const install = (environment: Record<string, string>, ...argv: readonly string[]) =>
      node.run(['/mnt/dist/mounter', 'install', ...argv], { environment });
    const unknownCa = await install({}, reference);
    t.is(unknownCa.status, 2, unknownCa.stderr);
    t.regex(unknownCa.stderr, /--ca-file/);
    const noPassword = await install({}, reference, '--ca-file', '/mnt/shared/ca.pem');
    t.is(noPassword.status, 2, noPassword.stderr);
    t.regex(noPassword.stderr, /401|access|credentials/);
    t.false(noPassword.stderr.includes('secret'));
    const auths = JSON.stringify({ auths: { [registry.address]: { auth: btoa('me:secret') } } });
    await node.shell(`mkdir /mnt/shared/docker; printf %s '${auths}' >/mnt/shared/docker/config.json`);
    const mirrored = 'tools.example/storage-tools:v3';
    const flags = [
      '--ca-file',
      '/mnt/shared/ca.pem',
      '--mirror',
      `tools.example=https://${registry.address}`,
    ];
    const installed = await install({ DOCKER_CONFIG: '/mnt/shared/docker' }, mirrored, ...flags);
    t.is(installed.status, 0, installed.stderr);
    t.regex(await node.shell(`readlink ${mounterHome}/rootfs`), /^versions\/[0-9a-f]{64}\n$/);
  },
);

test.serial('a registry that is down, an image that is not there: nothing is left of it', async (t) => {
  await using registry = await DockerRegistry.start();
  await using node = await nodeInOurNetwork();
  for (const reference of ['127.0.0.1:1/storage-tools:v3', `${registry.address}/nosuch:v1`]) {
    const { status, stderr } = await node.mounter('install', reference);
    t.is(status, 2, stderr);
    t.true(stderr.includes(reference), stderr);
    t.regex(stderr, /\nhint: /);
    t.is(await node.shell(`find ${mounterHome} -name '.unfinished*' 2>/dev/null || true`), '');
  }
});

test.serial(
  'where the node wants signatures, nothing comes without: from a registry, a file, a layout, or the agent',
  async (t) => {
    await using registry = await DockerRegistry.start();
    await using node = await nodeInOurNetwork();
    const images = [{ prefix: '*', keys: [`${shared}/key.pub`] }];
    mkdirSync(node.path(mounterHome), { recursive: true });
    writeFileSync(node.path(`${mounterHome}/node-settings.json`), JSON.stringify({ policy: { images } }));
    const reference = await registry.push(source, 'storage-tools:v3');
    const plain = join(node.sharedDirectory, 'plain');
    await execa('skopeo', ['--insecure-policy', 'copy', '--preserve-digests', source, `oci:${plain}:v3`]);
    const refused = async (says: RegExp, ...argv: readonly string[]) => {
      const { status, stderr } = await node.mounter('install', ...argv);
      t.true(status === 1 || status === 2, stderr);
      t.regex(stderr, says, argv.join(' '));
      t.regex(stderr, /\nhint: /);
      t.is(await node.shell(`find ${mounterHome} -mindepth 1 ! -name node-settings.json`), '');
    };
    await refused(/key\.pub: there is no such key/, reference);
    copyFileSync(key.publicPem, join(node.sharedDirectory, 'key.pub'));
    const unsigned = /: has no signature, which policy\.images asks for\n/;
    await refused(unsigned, reference);
    await refused(unsigned, reference, '--into', '/mnt/shared/into');
    await refused(unsigned, `oci:${shared}/plain`);
    await refused(unsigned, `oci:${shared}/plain`, '--verify-key', `${shared}/key.pub`);
    await refused(/: is no image with a manifest, and cannot have a signature/, rootfsTar);

    const { tag } = JSON.parse(readFileSync(`${layout}-node-agent.json`, 'utf8'));
    cpSync(`${layout}-node-agent`, join(node.sharedDirectory, 'agent-image'), { recursive: true });
    const agent = await node.mounter(
      'install',
      `oci:${shared}/agent-image:${tag}`,
      '--into',
      '/mnt/agent/root',
    );
    t.is(agent.status, 0, agent.stderr);
    const digest = (await node.shell(`cat /mnt/agent/root${toolsDigest}`)).trim();
    const ofAgent = ['--digest', digest, '--manifest', `/mnt/agent/root${toolsManifest}`];
    const installed = await node.mounter('install', `/mnt/agent/root${toolsImage}`, ...ofAgent);
    t.is(installed.status, 0, installed.stderr);

    const signature = `${digest.replace(':', '-')}.sig`;
    await registry.push(`oci:${layout}:${signature}`, `storage-tools:${signature}`);
    const again = await node.mounter('install', reference, '-v');
    t.regex(again.stdout, /^installed already: /, again.stderr);
    t.true(again.stderr.includes(`${digest} is signed by ${shared}/key.pub`), again.stderr);
    const cosign = await Cosign.prepare(scratch);
    for (const version of ['old', 'current'] as const)
      await t.notThrowsAsync(cosign.verify(version, reference, key.publicPem));
  },
);

test.serial(
  'an SBOM and the provenance of an image, pushed with skopeo: artifacts that name it as their subject',
  async (t) => {
    await using registry = await DockerRegistry.start();
    await registry.push(source, 'storage-tools:v3');
    const { digests } = JSON.parse(readFileSync(`${layout}.json`, 'utf8'));
    const repositoryThere = new RegistryClient(`${registry.address}/storage-tools`);
    for (const [kind, artifactType] of [
      ['spdx', 'application/spdx+json'],
      ['cyclonedx', 'application/vnd.cyclonedx+json'],
      ['provenance', 'application/vnd.in-toto+json'],
    ] as const) {
      await registry.push(`oci:${layout}-referrers:${kind}`, `storage-tools:v3.${kind}`);
      const manifest = await repositoryThere.manifest(`v3.${kind}`);
      t.is(manifest.artifactType, artifactType);
      t.deepEqual(Object(manifest.subject).digest, Object.values(digests)[0]);
      const [layer] = manifest.layers as readonly { readonly digest: string }[];
      const bytes = await repositoryThere.blob(layer?.digest ?? '');
      t.deepEqual(bytes, readFileSync(`${layout}.${kind}.json`), kind);
    }
  },
);

test.serial('the provenance of an image, signed: cosign verifies it, and not by another key', async (t) => {
  await using registry = await DockerRegistry.start();
  const reference = await registry.push(source, 'storage-tools:v3');
  const { digests } = JSON.parse(readFileSync(`${layout}.json`, 'utf8'));
  const [digest = ''] = Object.values<string>(digests);
  const tag = `${digest.replace(':', '-')}.att`;
  await registry.push(`oci:${layout}-referrers:${tag}`, `storage-tools:${tag}`);
  const cosign = await Cosign.prepare(scratch);
  const other = await cosign.keyPair('ecdsa', 'other');
  for (const version of ['old', 'current'] as const) {
    const verify = (publicKey: string) =>
      cosign.verifyAttestation(version, reference, publicKey, 'slsaprovenance1');
    const statement = JSON.parse(readFileSync(`${layout}.provenance.json`, 'utf8'));
    t.deepEqual(await verify(key.publicPem), statement, version);
    await t.throwsAsync(verify(other.publicPem), undefined, version);
  }
  const { payload } = JSON.parse(readFileSync(`${layout}.provenance.dsse.json`, 'utf8'));
  t.is(Buffer.from(payload, 'base64').toString(), readFileSync(`${layout}.provenance.json`, 'utf8'));
});
