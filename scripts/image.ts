import type { KeyObject } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { relative, resolve } from 'node:path';
import { execa } from 'execa';
import minimist from 'minimist';
import { MounterError } from '../src/errors.ts';
import { exitCode } from '../src/exit-codes.ts';
import { parseManifest } from '../src/manifest/manifest.ts';
import { runMain, usageError } from './command-line.ts';
import { writeLayout } from './image/layout.ts';
import { nodeAgentImage, nodeAgentName } from './image/node-agent-image.ts';
import { type Compression, composeImage, compressions, type Image, type ImageRequest } from './image/oci.ts';
import { type RootfsFiles, readRootfs, rootfsImage } from './image/rootfs-image.ts';
import { readSigningKey, type Signature, signatureOf } from './image/signature.ts';
import { distDirectory, repository } from './paths.ts';
import { replaceRootfs } from './rootfs/manifest-text.ts';
import { workspace } from './rootfs/workspace.ts';
import { writeWhole } from './scratch.ts';

const usage = `usage: npm run image -- [OPTION]...

Makes two images, each an OCI image layout and beside it a JSON file with its digest; skopeo pushes them. What
they are made of is built first where it is missing or old; the same content gives the same digest.
  storage-tools        dist/rootfs.tar.zst and its manifest: for mounter install
  mounter-node-agent   dist/mounter and the image above: for mounter manifest daemonset

  --only NAME          storage-tools or mounter-node-agent
  --output DIR         the layout of storage-tools (default: dist/image; the digests are in dist/image.json);
                       that of mounter-node-agent is DIR-node-agent
  --compression KIND   zstd (default), or gzip for clients that can't read zstd
  --layers N           divide the rootfs among N layers (default: 1); its manifest has one of its own
  --sign-key FILE      sign both with this private key (PEM), for nodes that ask for signatures; see policy.images
  --pin                write the digest to rootfs-manifest.json, as rootfs.image
  --allow-newer        as for npm run rootfs
`;

interface Flags {
  readonly output: string;
  readonly only: string | undefined;
  readonly compression: Compression;
  readonly layers: number;
  readonly signKey: KeyObject | undefined;
  readonly pin: boolean;
  readonly allowNewer: boolean;
}

/** What dist/image.json says. */
interface Published {
  readonly name: string;
  readonly tag: string;
  readonly rootfs: string;
  /** Of the image's manifest, by architecture. */
  readonly digests: Readonly<Record<string, string>>;
}

async function main(argv: readonly string[]): Promise<number> {
  const flags = parseFlags(argv);
  if (flags === undefined) {
    process.stdout.write(usage);
    return exitCode.success;
  }
  await runRootfs(flags);
  const files = await readRootfs(distDirectory);
  const request = await rootfsImage(files, flags);
  const image = composeImage(request);
  const { name, suite } = files.manifest.rootfs;
  const tag = tagOf(suite, image);
  const signature = flags.signKey && signatureOf(image, name, flags.signKey);
  if (flags.only !== nodeAgentName) await publishTools(files, request, image, tag, flags, signature);
  if (flags.only !== name) await publishNodeAgent(files, image, tag, flags, signature);
  return exitCode.success;
}

async function publishTools(
  files: RootfsFiles,
  request: ImageRequest,
  image: Image,
  tag: string,
  flags: Flags,
  signature: Signature | undefined,
): Promise<void> {
  const { name, digest: rootfs = '' } = files.manifest.rootfs;
  await writeLayout(image, request.architecture, tag, flags.output, signature);
  const published = { name, tag, rootfs, digests: { [request.architecture]: image.digest } };
  await writeWhole(`${flags.output}.json`, `${JSON.stringify(published, null, 2)}\n`);
  process.stdout.write(describe(published, request, image, flags.output));
  process.stdout.write(describeSignature(name, flags.output, signature));
  if (flags.pin) await pinImage(request.architecture, image.digest);
  else warnOfPin(files.pins[files.manifest.rootfs.architecture], image.digest);
}

async function publishNodeAgent(
  files: RootfsFiles,
  tools: Image,
  toolsTag: string,
  flags: Flags,
  toolsSignature: Signature | undefined,
): Promise<void> {
  await runScript('build.ts', []);
  const request = await nodeAgentImage(files, tools, toolsTag, flags.allowNewer, toolsSignature);
  const image = composeImage(request);
  const output = `${flags.output}-node-agent`;
  const tag = tagOf(files.manifest.rootfs.suite, image);
  const signature = flags.signKey && signatureOf(image, nodeAgentName, flags.signKey);
  await writeLayout(image, request.architecture, tag, output, signature);
  const digests = { [request.architecture]: image.digest };
  const published = { name: nodeAgentName, tag, tools: tools.digest, digests };
  await writeWhole(`${output}.json`, `${JSON.stringify(published, null, 2)}\n`);
  process.stdout.write(describeNodeAgent(tag, request, image, output));
  process.stdout.write(describeSignature(nodeAgentName, output, signature));
}

/** @returns undefined for --help. @throws MounterError (usage) that names the word. */
function parseFlags(argv: readonly string[]): Flags | undefined {
  const unknown: string[] = [];
  const flags = minimist([...argv], {
    boolean: ['pin', 'allow-newer', 'help'],
    string: ['output', 'only', 'compression', 'layers', 'sign-key'],
    default: { output: `${distDirectory}/image`, compression: 'zstd', layers: '1' },
    unknown: (word) => unknown.push(word) === 0,
  });
  if (flags.help === true) return undefined;
  if (unknown.length > 0) throw usageError(unknown.join(' '), 'unknown argument');
  if (flags.output === '') throw usageError('--output', 'needs a directory');
  const only = flags.only as string | undefined;
  if (only !== undefined && only !== 'storage-tools' && only !== nodeAgentName)
    throw usageError('--only', `must be storage-tools or ${nodeAgentName}`);
  const compression = compressions.find((known) => known === flags.compression);
  if (compression === undefined) throw usageError('--compression', `must be ${compressions.join(' or ')}`);
  if (!/^([1-9]|[1-9]\d)$/.test(String(flags.layers))) throw usageError('--layers', 'must be 1 to 99');
  const signKey = flags['sign-key'] === undefined ? undefined : readSigningKey(String(flags['sign-key']));
  const [pin, allowNewer] = [flags.pin === true, flags['allow-newer'] === true];
  const output = resolve(String(flags.output));
  return { output, only, compression, layers: Number(flags.layers), signKey, pin, allowNewer };
}

/** Builds what is missing or old. Its words go to stderr: stdout is for the digests. */
async function runRootfs({ allowNewer }: Flags): Promise<void> {
  await runScript('rootfs.ts', allowNewer ? ['--allow-newer'] : []);
}

async function runScript(script: string, args: readonly string[]): Promise<void> {
  const result = await execa(process.execPath, [`${repository}/scripts/${script}`, ...args], {
    stdio: ['ignore', process.stderr, 'inherit'],
    reject: false,
  });
  if (!result.failed) return;
  throw new MounterError(`${script} could not build what goes into the image`, {
    status: exitCode.system,
    hint: 'what it said is above',
  });
}

/** Another content is another tag; another compression is not. */
function tagOf(suite: string, { configDigest }: Image): string {
  return `${suite}-${configDigest.slice('sha256:'.length, 'sha256:'.length + 12)}`;
}

async function pinImage(architecture: string, digest: string): Promise<void> {
  const text = await readFile(workspace.manifest, 'utf8');
  const { rootfs } = parseManifest(text, workspace.manifest);
  const image = { ...rootfs.image, [architecture]: digest };
  await writeWhole(workspace.manifest, replaceRootfs(text, { ...rootfs, image }));
}

/** Another compression or number of layers gives another digest too: no error. */
function warnOfPin(pinned: string | undefined, digest: string): void {
  if (pinned === undefined || pinned === digest) return;
  process.stderr.write(`rootfs-manifest.json pins another image, ${pinned}\nhint: --pin pins this one\n`);
}

function describe(published: Published, request: ImageRequest, image: Image, output: string): string {
  const { name, tag, rootfs } = published;
  const directory = fromHere(output);
  return `${summary(`${name}:${tag}`, request, image, directory)}
rootfs  ${rootfs}
image   ${image.digest}
push    skopeo copy --preserve-digests oci:${directory}:${tag} docker://REGISTRY/${name}:${tag}
install mounter install REGISTRY/${name}@${image.digest}
`;
}

function describeSignature(name: string, output: string, signature: Signature | undefined): string {
  if (signature === undefined) return '';
  const { tag } = signature;
  return `sign    skopeo copy --preserve-digests oci:${fromHere(output)}:${tag} docker://REGISTRY/${name}:${tag}\n`;
}

function describeNodeAgent(tag: string, request: ImageRequest, image: Image, output: string): string {
  const directory = fromHere(output);
  return `${summary(`${nodeAgentName}:${tag}`, request, image, directory)}
image   ${image.digest}
push    skopeo copy --preserve-digests oci:${directory}:${tag} docker://REGISTRY/${nodeAgentName}:${tag}
apply   mounter manifest daemonset --image REGISTRY/${nodeAgentName}@${image.digest} | kubectl apply -f -
`;
}

function summary(
  name: string,
  { architecture, layers }: ImageRequest,
  image: Image,
  directory: string,
): string {
  const megabytes = [...image.blobs.values()].reduce((sum, blob) => sum + blob.length, 0) / 1e6;
  return `${directory}: ${name}, ${architecture}, ${layers.length} layers, ${megabytes.toFixed(1)} MB`;
}

function fromHere(directory: string): string {
  const way = relative(process.cwd(), directory);
  return way.startsWith('../') ? directory : way;
}

await runMain('image', main);
