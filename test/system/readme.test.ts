import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { execa } from 'execa';
import { parseAllDocuments } from 'yaml';
import { ensureInstalled } from '../../scripts/debian.ts';
import { writeLayout } from '../../scripts/image/layout.ts';
import { composeImage } from '../../scripts/image/oci.ts';
import { rootfsImage } from '../../scripts/image/rootfs-image.ts';
import { cacheDirectory, repository } from '../../scripts/paths.ts';
import { compress } from '../../scripts/rootfs/archive.ts';
import { oneManifest } from '../../scripts/rootfs/pins.ts';
import { parseManifest } from '../../src/manifest/manifest.ts';
import { DockerRegistry } from '../support/image/docker-registry.ts';
import { writeOciLayout } from '../support/image/oci-layout.ts';
import { kubeletImage } from '../support/kubelet/kubelet-image.ts';
import { mounterHome, type Ran, ScratchNode } from '../support/node/namespace.ts';
import { digestOf, manifestText, rootfsBytes, rootfsWith } from '../support/node/rootfs-versions.ts';
import { schemaErrors } from '../support/texts/kubernetes-schema.ts';
import { isAssignment, places, type Substitutions, section, substitute } from '../support/texts/readme.ts';

/** The commands of README and docs, word for word but for the places they name; those of a node with systemd: test/systemd. */

const scratch = mkdtempSync(join(tmpdir(), 'readme-'));
const checkout = join(scratch, 'checkout');
let registry: DockerRegistry;

/** What is in version control; what is downloaded and kept is the same for all checkouts. */
const tracked = [
  '.ci',
  '.gitignore',
  'README.md',
  'docs',
  'biome.json',
  'package.json',
  'package-lock.json',
].concat(['rootfs-manifest.json', 'scripts', 'src', 'test', 'tsconfig.json']);

test.before(async () => {
  await ensureInstalled(['skopeo']);
  for (const name of tracked)
    cpSync(join(repository, name), join(checkout, name), { recursive: true, verbatimSymlinks: true });
  symlinkSync(cacheDirectory, join(checkout, '.cache'));
  registry = await DockerRegistry.start();
  // Skopeo insists on https for every registry, on loopback too.
  const configuration = `[[registry]]\nlocation = "${registry.address}"\ninsecure = true\n`;
  mkdirSync(join(scratch, '.config/containers'), { recursive: true });
  writeFileSync(join(scratch, '.config/containers/registries.conf'), configuration);
  mkdirSync(join(scratch, 'bin'));
  writeFileSync(join(scratch, 'bin/kubectl'), kubectl, { mode: 0o755 });
});

test.after.always(async () => {
  await registry?.[Symbol.asyncDispose]();
  rmSync(scratch, { recursive: true, force: true });
});

/** Stands for a cluster: keeps what is applied, for the schema to judge, and knows the objects by their names. */
const kubectl = `#!/bin/sh -eu
case "$*" in
  'apply -f '*) cat "$3" >>"$APPLIED"; echo --- >>"$APPLIED" ;;
  '-n '*' rollout status daemonset/'*) grep -q "namespace: $2$" "$APPLIED" && grep -q "name: \${5#*/}$" "$APPLIED" ;;
  *) exit 64 ;;
esac
`.replace('cat "$3"', '{ if [ "$3" = - ]; then cat; else cat "$3"; fi; }');

/** Runs the section's commands in their order, each of which has to succeed. @returns stdout of each. */
async function runAll(
  t: ExecutionContext,
  heading: string,
  substitutions: (command: string) => Substitutions,
  run: (script: string) => Promise<Ran>,
): Promise<ReadonlyMap<string, string>> {
  const outputs = new Map<string, string>();
  const assignments: string[] = [];
  for (const command of section(heading).commands) {
    const real = substitute(command, substitutions(command));
    t.notRegex(real, /\.example|DIGEST/, 'every place that a reader has to fill in is filled in');
    if (isAssignment(real)) assignments.push(real);
    const ran = await run([...assignments, real].join('\n'));
    if (ran.status !== 0) throw new Error(`status ${ran.status} of: ${command}\n${ran.stdout}${ran.stderr}`);
    outputs.set(command, ran.stdout);
  }
  return outputs;
}

/** As a newcomer's shell: without what npm has set for this test. */
async function inCheckout(script: string): Promise<Ran> {
  const { PATH = '', HOME = '' } = process.env;
  const path = PATH.split(':').filter((directory) => !directory.includes('node_modules'));
  const result = await execa('bash', ['-euo', 'pipefail', '-c', script], {
    cwd: checkout,
    stdin: 'ignore',
    extendEnv: false,
    env: {
      HOME: scratch,
      PATH: [join(scratch, 'bin'), ...path].join(':'),
      APPLIED: join(scratch, 'applied.yaml'),
      npm_config_cache: join(HOME, '.npm'),
      npm_config_prefer_offline: 'true',
      npm_config_update_notifier: 'false',
    },
    reject: false,
    timeout: 600_000,
  });
  return { status: result.exitCode ?? -1, stdout: result.stdout, stderr: result.stderr };
}

const digestIn = (file: string): string =>
  JSON.parse(readFileSync(join(checkout, 'dist', file), 'utf8')).digests.amd64;

/** The digests are those that `npm run image` has printed. */
function ofCheckout(command: string): Substitutions {
  const substitutions = { 'registry.example': registry.address, 'files.example': 'files.test' };
  if (!command.includes('DIGEST')) return substitutions;
  const digest = digestIn(command.includes('node-agent') ? 'image-node-agent.json' : 'image.json');
  return { ...substitutions, 'sha256:DIGEST': digest };
}

for (const heading of places.checkout) {
  test.serial(`in a fresh checkout: ${heading}`, async (t) => {
    t.timeout(900_000);
    const outputs = await runAll(t, heading, ofCheckout, inCheckout);
    if (heading === 'See it work')
      t.regex(
        [...outputs.values()].join(),
        /lock over the network was granted[\s\S]*nothing is left mounted/,
      );
    if (heading !== 'Volumes by CSI') return;
    const applied = readFileSync(join(scratch, 'applied.yaml'), 'utf8');
    const objects = parseAllDocuments(applied).flatMap((document) => document.toJS() ?? []);
    t.is(await schemaErrors(objects), '');
    t.deepEqual(
      objects.map(({ kind, data }) => data?.state ?? kind),
      ['ServiceAccount', 'DaemonSet', 'off', 'on', 'ServiceAccount', 'CSIDriver', 'DaemonSet'],
    );
    t.true(readFileSync(join(checkout, 'user-data'), 'utf8').includes(digestIn('image.json')));
  });
}

/** A rootfs as `npm run image` makes an image of it. */
async function toolsLayout(name: string, tar: Buffer): Promise<string> {
  const { rootfs, ...sections } = JSON.parse(manifestText);
  const text = JSON.stringify({ rootfs: { ...rootfs, digest: digestOf(tar) }, ...sections });
  const manifest = await oneManifest(parseManifest(text, name));
  const files = { tar, tarZst: await compress(tar, 1), manifest, manifestText: text, pins: {} };
  const image = composeImage(await rootfsImage(files, { compression: 'zstd', layers: 1 }));
  await writeLayout({ amd64: image }, name, join(scratch, name));
  return `oci:${join(scratch, name)}`;
}

test.serial('on a node: a kubelet in an image; upgrade, roll back', async (t) => {
  t.timeout(600_000);
  writeOciLayout(join(scratch, 'kubelet'), await kubeletImage());
  await registry.push(`oci:${join(scratch, 'kubelet')}`, 'kubelet:v1.36.0');
  await registry.push(await toolsLayout('v1', rootfsBytes), 'storage-tools:v1');
  await registry.push(await toolsLayout('v2', await rootfsWith('second')), 'storage-tools:v2');
  // Its network is this machine's, where the registry is.
  await using node = await ScratchNode.installed({ enterNetwork: [] });
  const environment = { PATH: `${mounterHome}:/usr/sbin:/usr/bin:/sbin:/bin` };
  const inNode = (script: string) => node.run(['bash', '-euo', 'pipefail', '-c', script], { environment });
  // A node of the tests has a read-only /opt.
  const ofNode = () => ({ 'registry.example': registry.address, '/opt/kubelet': '/var/lib/opt-kubelet' });

  const kubelet = await runAll(t, places.scratchNode[0] ?? '', ofNode, inNode);
  const of = (outputs: ReadonlyMap<string, string>, part: string) =>
    [...outputs].find(([command]) => command.includes(part))?.[1] ?? '';
  t.regex(of(kubelet, '--dry-run'), /^\/usr\/local\/bin\/kubelet --config=/m);
  t.regex(of(kubelet, 'teardown'), /^unmounted \/var\/lib\/kubelet$/m);
  t.regex(of(kubelet, 'mounter unit'), /mounter kubelet --rootfs .* -- --config=/);

  const upgrade = await runAll(t, places.scratchNode[1] ?? '', ofNode, inNode);
  t.regex(of(upgrade, 'tools:v2'), /^installed storage-tools sha256:/m);
  t.regex(of(upgrade, 'rollback'), /switched|rolled/);
  await node.shell(`test ! -e ${mounterHome}/rootfs/second`);
});
