import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { execa } from 'execa';
import { repository } from '../../scripts/paths.ts';
import { DockerRegistry } from '../support/image/docker-registry.ts';
import { mounterHome, ScratchNode } from '../support/node/namespace.ts';

/** The published image, from a real registry into a node: what an operator does. */

const scratch = mkdtempSync(join(tmpdir(), 'published-image-'));
const layout = join(scratch, 'image');

test.before(async () => {
  await execa(process.execPath, [`${repository}/scripts/image.ts`, '--output', layout, '--allow-newer']);
});

test.after.always(() => rmSync(scratch, { recursive: true, force: true }));

/** A node that reaches this machine's loopback, where the registry is; nothing but installs happens on it. */
const nodeInOurNetwork = () => ScratchNode.start({ enterNetwork: [] });

test('by tag, over plain http on loopback: complete, with the manifest that it brings along', async (t) => {
  await using registry = await DockerRegistry.start();
  await using node = await nodeInOurNetwork();
  const reference = await registry.push(`oci:${layout}`, 'storage-tools:v3');
  const installed = await node.mounter('install', reference);
  t.is(installed.status, 0, installed.stderr);
  t.regex((await node.mounter('install', reference)).stdout, /^installed already: /);
  t.is((await node.mounter('prepare')).status, 0);
  const status = JSON.parse((await node.mounter('status', '--json')).stdout);
  t.true(status.isPrepared);
  const helper = await node.mounter('exec', '--', '/sbin/mount.nfs', '-V');
  t.regex(helper.stdout + helper.stderr, /nfs-utils/);
});

test('over TLS by a private CA, through a mirror, with a password; without them an error that says which', async (t) => {
  await using registry = await DockerRegistry.start({ tls: true, passwords: { me: 'secret' } });
  await using node = await nodeInOurNetwork();
  const reference = await registry.push(`oci:${layout}`, 'storage-tools:v3', 'me:secret');
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
  const flags = ['--ca-file', '/mnt/shared/ca.pem', '--mirror', `tools.example=https://${registry.address}`];
  const installed = await install({ DOCKER_CONFIG: '/mnt/shared/docker' }, mirrored, ...flags);
  t.is(installed.status, 0, installed.stderr);
  t.regex(await node.shell(`readlink ${mounterHome}/rootfs`), /^versions\/[0-9a-f]{64}\n$/);
});

test('a registry that is down, an image that is not there: nothing is left of it', async (t) => {
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
