import type { KeyObject } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { relative, resolve } from 'node:path';
import type { FlagsOf } from '../src/commands/command.ts';
import { exitCode } from '../src/exit-codes.ts';
import { parseManifest } from '../src/manifest/manifest.ts';
import { type Architecture, architectureOf, architectures, ownArchitecture } from './architectures.ts';
import { chosenOf, runMain, runScript, wholeNumber } from './command-line.ts';
import { muslPackage } from './front/libc.ts';
import { writeLayout } from './image/layout.ts';
import { type Material, nodeAgentMaterials, rootfsMaterials } from './image/materials.ts';
import { nodeAgentImage, nodeAgentName } from './image/node-agent-image.ts';
import {
  type Compression,
  composeImage,
  compressions,
  type Image,
  type ImageRequest,
  publishedOf,
  timeOf,
} from './image/oci.ts';
import { type Referrers, writeReferrers } from './image/referrers.ts';
import { type RootfsFiles, readRootfs, rootfsImage } from './image/rootfs-image.ts';
import { signatureOf } from './image/signature.ts';
import { readSigningKey } from './image/signing-key.ts';
import { distDirectory, distributionOf } from './paths.ts';
import { withProgress } from './progress.ts';
import { digestOf } from './rootfs/archive.ts';
import { replaceRootfs } from './rootfs/manifest-text.ts';
import { workspace } from './rootfs/workspace.ts';
import { writeWhole } from './scratch.ts';

interface Flags {
  readonly architectures: readonly Architecture[];
  readonly output: string;
  readonly only: string | undefined;
  readonly compression: Compression;
  readonly layers: number;
  readonly signKey: KeyObject | undefined;
  readonly pin: boolean;
  readonly quick: boolean;
  readonly allowNewer: boolean;
}

const toolsName = 'storage-tools';

/** Of one architecture. */
interface Built {
  readonly files: RootfsFiles;
  readonly request: ImageRequest;
  readonly image: Image;
  readonly tag: string;
}

async function main(flags: Flags): Promise<number> {
  const built: Built[] = [];
  for (const architecture of flags.architectures) {
    // Builds what is missing or old. Its words go to stderr: stdout is for the digests.
    const more = flags.allowNewer ? ['--allow-newer'] : [];
    await runScript('rootfs.ts', ['--architecture', architecture, ...more], process.stderr);
    const files = await readRootfs(distributionOf(architecture).directory);
    const make = () => rootfsImage(files, flags);
    built.push(builtOf(files, await withProgress(`making ${toolsName}, usually 10 s`, make)));
  }
  if (flags.only !== nodeAgentName) await publishTools(built, flags);
  if (flags.only !== toolsName) await publishNodeAgent(built, flags);
  return exitCode.success;
}

function builtOf(files: RootfsFiles, request: ImageRequest): Built {
  const image = composeImage(request);
  return { files, request, image, tag: tagOf(files.manifest.rootfs.suite, image.configDigest) };
}

async function publishTools(built: readonly Built[], flags: Flags): Promise<void> {
  const rootfs = oneOrAll(byArchitecture(built, ({ files }) => files.manifest.rootfs.digest ?? ''));
  const digest = await publish(toolsName, built, rootfsMaterials, flags.output, flags, { rootfs });
  process.stdout.write(`install mounter install REGISTRY/${toolsName}@${digest}\n`);
  if (flags.pin) await pinImages(byArchitecture(built, ({ image }) => image.digest));
  else for (const one of built) warnOfPin(one);
}

async function publishNodeAgent(built: readonly Built[], flags: Flags): Promise<void> {
  const agents: Built[] = [];
  for (const { files, image, tag } of built) {
    const argv = ['--architecture', files.manifest.rootfs.architecture];
    await runScript('build.ts', argv, process.stderr);
    const toolsSignature = flags.signKey && signatureOf(image.digest, toolsName, flags.signKey);
    const options = { allowNewer: flags.allowNewer, isQuick: flags.quick, toolsSignature };
    const make = () => nodeAgentImage(files, image, tag, options);
    const usual = flags.quick ? '5 s' : '40 s at the first time';
    agents.push(builtOf(files, await withProgress(`making ${nodeAgentName}, usually ${usual}`, make)));
  }
  const tools = oneOrAll(byArchitecture(built, ({ image }) => image.digest));
  const digest = await publish(
    nodeAgentName,
    agents,
    async (files) =>
      nodeAgentMaterials(files, await muslPackage(architectureOf(files.manifest.rootfs.architecture))),
    `${flags.output}-node-agent`,
    flags,
    { tools },
  );
  const isOwn = flags.architectures.length === 1 && flags.architectures[0] === ownArchitecture;
  const nodes = isOwn ? '' : flags.architectures.map((one) => ` --architecture ${one}`).join('');
  process.stdout.write(
    `apply   mounter manifest daemonset --image REGISTRY/${nodeAgentName}@${digest}${nodes} | kubectl apply -f -\n`,
  );
}

/** Writes a layout, and beside it what is in it. @returns the digest of what is under the tag. */
async function publish(
  name: string,
  built: readonly Built[],
  materialsOf: (files: RootfsFiles) => readonly Material[] | Promise<readonly Material[]>,
  output: string,
  flags: Flags,
  more: Readonly<Record<string, unknown>>,
): Promise<string> {
  const images = byArchitecture(built, ({ image }) => image);
  const configs = built.map(({ image }) => image.configDigest);
  const [suite = ''] = built.map(({ files }) => files.manifest.rootfs.suite);
  const tag = tagOf(suite, configs.length === 1 ? (configs[0] ?? '') : digestOf(Buffer.from(configs.join())));
  const { digest } = publishedOf(images);
  const signature = flags.signKey && signatureOf(digest, name, flags.signKey);
  await writeLayout(images, tag, output, signature);
  const digests = byArchitecture(built, ({ image }) => image.digest);
  const index = built.length === 1 ? {} : { index: digest };
  const written = { name, tag, ...more, digests, ...index };
  await writeWhole(`${output}.json`, `${JSON.stringify(written, null, 2)}\n`);
  const directory = fromHere(output);
  const rootfs = typeof more.rootfs === 'string' ? `rootfs  ${more.rootfs}\n` : '';
  const all = built.length === 1 ? '' : '--all ';
  process.stdout.write(`${built.map((one) => summary(`${name}:${tag}`, one, directory)).join('')}${rootfs}image   ${digest}
push    skopeo copy ${all}--preserve-digests oci:${directory}:${tag} docker://REGISTRY/${name}:${tag}
`);
  if (signature !== undefined)
    process.stdout.write(
      `sign    skopeo copy --preserve-digests oci:${directory}:${signature.tag} docker://REGISTRY/${name}:${signature.tag}\n`,
    );
  for (const { files, request, image } of built) {
    const ending = built.length === 1 ? '' : `-${request.architecture}`;
    const version = `${tag}${ending}`;
    const subject = { name, version, digest: image.digest, created: timeOf(request.epoch) };
    const origin = { subject, materials: await materialsOf(files), parameters: parametersOf(files, flags) };
    const referrers = await writeReferrers(image, origin, `${output}${ending}`, flags.signKey);
    process.stdout.write(describeReferrers(name, version, referrers));
  }
  return digest;
}

function byArchitecture<T>(built: readonly Built[], of: (one: Built) => T): Readonly<Record<string, T>> {
  return Object.fromEntries(built.map((one) => [one.request.architecture, of(one)]));
}

function oneOrAll(values: Readonly<Record<string, string>>): string | Readonly<Record<string, string>> {
  const [one, ...others] = Object.values(values);
  return one !== undefined && others.length === 0 ? one : values;
}

const flags = {
  '--architecture ARCH': `${Object.keys(architectures).join(' or ')}; this machine's if left out, whose layouts lie in dist, another
    one's in dist/ARCH; repeated: an index of both, of which each node chooses its own`,
  '--only NAME': 'storage-tools or mounter-node-agent',
  '--output DIR': `the layout of storage-tools, else dist/image (the digests are in dist/image.json); that of
    mounter-node-agent is DIR-node-agent`,
  '--compression KIND': { text: "zstd, or gzip for clients that can't read zstd", default: 'zstd' },
  '--layers N': { text: 'divide the rootfs among N layers; its manifest has one of its own', default: '1' },
  '--sign-key FILE': `sign both with this private key, for nodes that ask for signatures, see policy.images; and their
    provenance, for cosign verify-attestation: PEM, or cosign's own file; - for standard input; the password of an encrypted one
    is in COSIGN_PASSWORD`,
  '--quick': `compress the executable of mounter-node-agent less: in a second instead of 40, to 10 MB more; for tests`,
  '--pin': 'write the digest to rootfs-manifest.json, as rootfs.image',
  '--allow-newer': 'as for npm run rootfs',
} as const;

/** @throws MounterError (usage) that names the flag. */
async function readFlags(given: FlagsOf<typeof flags>): Promise<Flags> {
  const [only] = chosenOf('--only', given.value('only'), [toolsName, nodeAgentName]);
  const [compression = 'zstd'] = chosenOf('--compression', given.value('compression'), compressions);
  const key = given.value('sign-key');
  const architectures = [...new Set(given.values('architecture').map(architectureOf))];
  const [one = ownArchitecture, ...others] = architectures;
  const usual = others.length === 0 ? distributionOf(one).directory : distDirectory;
  return {
    architectures: architectures.length === 0 ? [one] : architectures,
    output: resolve(given.value('output') ?? `${usual}/image`),
    only: given.value('only') === undefined ? undefined : only,
    compression,
    layers: wholeNumber('--layers', given.value('layers'), 99),
    signKey: key === undefined ? undefined : await readSigningKey(key),
    pin: given.has('pin'),
    quick: given.has('quick'),
    allowNewer: given.has('allow-newer'),
  };
}

/** Another content is another tag; another compression is not. */
function tagOf(suite: string, digest: string): string {
  return `${suite}-${digest.slice('sha256:'.length, 'sha256:'.length + 12)}`;
}

async function pinImages(digests: Readonly<Record<string, string>>): Promise<void> {
  const text = await readFile(workspace.manifest, 'utf8');
  const { rootfs } = parseManifest(text, workspace.manifest);
  const image = { ...rootfs.image, ...digests };
  await writeWhole(workspace.manifest, replaceRootfs(text, { ...rootfs, image }));
}

/** Another compression or number of layers gives another digest too: no error. */
function warnOfPin({ files, image }: Built): void {
  const pinned = files.pins[files.manifest.rootfs.architecture];
  if (pinned === undefined || pinned === image.digest) return;
  process.stderr.write(`rootfs-manifest.json pins another image, ${pinned}\nhint: --pin pins this one\n`);
}

/** What changes the bytes of an image. */
function parametersOf({ manifest }: RootfsFiles, { compression, layers }: Flags) {
  const { suite, architecture } = manifest.rootfs;
  return { suite, architecture, compression, layers };
}

function describeReferrers(name: string, tag: string, { layout, attestation }: Referrers): string {
  const copy = `skopeo copy --preserve-digests oci:${fromHere(layout)}:`;
  const to = `docker://REGISTRY/${name}:`;
  const signed = attestation === undefined ? '' : `attest  ${copy}${attestation} ${to}${attestation}\n`;
  return `of it   ${copy}KIND ${to}${tag}.KIND, KIND spdx, cyclonedx, provenance\n${signed}`;
}

function summary(
  name: string,
  { request: { architecture, layers }, image }: Built,
  directory: string,
): string {
  const megabytes = [...image.blobs.values()].reduce((sum, blob) => sum + blob.length, 0) / 1e6;
  return `${directory}: ${name}, ${architecture}, ${layers.length} layers, ${megabytes.toFixed(1)} MB\n`;
}

function fromHere(directory: string): string {
  const way = relative(process.cwd(), directory);
  return way.startsWith('../') ? directory : way;
}

await runMain({
  name: 'image',
  flags,
  manual: [
    `Makes two images, each an OCI image layout and beside it a JSON file with its digest; skopeo pushes them. What they are
    made of is built first where it is missing or old; the same content gives the same digest. Beside each are an SBOM
    (SPDX 2.3, CycloneDX 1.6) and its provenance (in-toto, SLSA 1), as files and as referrers of the image in a layout.`,
    [
      [toolsName, 'dist/rootfs.tar.zst and its manifest: for mounter install'],
      [nodeAgentName, 'dist/mounter and the image above: for mounter manifest daemonset'],
    ],
  ],
  examples: ['npm run image', 'npm run image -- --architecture amd64 --architecture arm64'],
  run: async (given) => main(await readFlags(given)),
});
