import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { zstdDecompressSync } from 'node:zlib';
import { MounterError } from '../../src/errors.ts';
import { exitCode } from '../../src/exit-codes.ts';
import { type Manifest, parseManifest } from '../../src/manifest/manifest.ts';
import { digestOf, tarOf } from '../rootfs/archive.ts';
import { completeTree, textFile } from '../rootfs/entry.ts';
import { replaceRootfs } from '../rootfs/manifest-text.ts';
import { type OneManifest, oneManifest } from '../rootfs/pins.ts';
import { layerOf } from './layer.ts';
import type { Compression, ImageRequest, LayerBlob } from './oci.ts';
import { timeOf } from './oci.ts';
import { entriesOf, splitEntries } from './split.ts';

/**
 * Where an image holds its own rootfs-manifest.json, relative to its root: `mounter install IMAGE` needs no
 * manifest beside it. It is the top layer; the label `containerized-mounter.manifest` says the same path.
 */
export const manifestPath = 'usr/share/containerized-mounter/rootfs-manifest.json';

export interface RootfsFiles {
  /** Uncompressed. */
  readonly tar: Buffer;
  readonly tarZst: Buffer;
  readonly manifest: OneManifest;
  /** The manifest as it goes into the image: without the pins of images, which depend on it. */
  readonly manifestText: string;
  /** The digests of images that the manifest pins, by architecture. */
  readonly pins: NonNullable<Manifest['rootfs']['image']>;
}

/** What `npm run rootfs` left in `directory`. @throws MounterError when the tar is not the manifest's. */
export async function readRootfs(directory: string): Promise<RootfsFiles> {
  const path = join(directory, 'rootfs-manifest.json');
  const text = await readFile(path, 'utf8');
  const one = await oneManifest(parseManifest(text, path));
  const { image: pins = {}, ...rootfs } = one.rootfs;
  const tarZst = await readFile(join(directory, 'rootfs.tar.zst'));
  const tar = zstdDecompressSync(tarZst);
  if (digestOf(tar) !== rootfs.digest) throw otherRootfs(path, digestOf(tar));
  const manifestText = replaceRootfs(text, rootfs);
  return { tar, tarZst, manifest: { ...one, rootfs }, manifestText, pins };
}

function otherRootfs(subject: string, digest: string): MounterError {
  return new MounterError(`rootfs.digest is not that of rootfs.tar.zst, ${digest}`, {
    subject,
    status: exitCode.system,
    hint: 'npm run rootfs -- --no-cache',
  });
}

export interface RootfsImageOptions {
  readonly compression: Compression;
  /** Among how many layers the rootfs is divided; the manifest has one more. */
  readonly layers: number;
}

/** The image of a rootfs: its tar in one layer or more, and its manifest in another. */
export async function rootfsImage(files: RootfsFiles, options: RootfsImageOptions): Promise<ImageRequest> {
  const { manifest, manifestText } = files;
  const { architecture, epoch = 0 } = manifest.rootfs;
  const manifestTar = await tarOf(completeTree([textFile(manifestPath, manifestText)]), epoch);
  const manifestLayer = await layerOf(
    manifestTar,
    options.compression,
    'npm run image: rootfs-manifest.json',
  );
  return {
    architecture,
    epoch,
    labels: labelsOf(manifest, manifestText),
    environment: ['PATH=/usr/sbin:/usr/bin:/sbin:/bin'],
    layers: [...(await rootfsLayers(files, options)), manifestLayer],
  };
}

async function rootfsLayers(files: RootfsFiles, options: RootfsImageOptions): Promise<readonly LayerBlob[]> {
  const { compression, layers } = options;
  const { tar, tarZst, manifest } = files;
  const createdBy = `npm run rootfs: ${manifest.rootfs.suite}`;
  // The very file that npm run rootfs made.
  if (layers === 1 && compression === 'zstd')
    return [{ blob: tarZst, compression, diffId: digestOf(tar), createdBy }];
  if (layers === 1) return [await layerOf(tar, compression, createdBy)];
  const runs = splitEntries(await entriesOf(tar), layers);
  const tars = await Promise.all(runs.map((run) => tarOf(run, manifest.rootfs.epoch ?? 0)));
  return await Promise.all(tars.map((part) => layerOf(part, compression, createdBy)));
}

/** Labels of the configuration, and annotations of the manifest: what a registry's user wants to know. */
function labelsOf(manifest: OneManifest, manifestText: string): Record<string, string> {
  const { name, suite, include, packages, digest = '', epoch = 0 } = manifest.rootfs;
  const versions = packages.filter((pin) => include.includes(pin.name));
  return {
    'org.opencontainers.image.title': name,
    'org.opencontainers.image.description': `mount helpers for ${Object.keys(manifest.filesystems).join(', ')}, and their daemons`,
    'org.opencontainers.image.created': timeOf(epoch),
    'org.opencontainers.image.version': `${suite}-${digest.replace('sha256:', '').slice(0, 12)}`,
    'containerized-mounter.suite': suite,
    'containerized-mounter.rootfs.digest': digest,
    'containerized-mounter.manifest': `/${manifestPath}`,
    'containerized-mounter.manifest.digest': digestOf(Buffer.from(manifestText)),
    ...Object.fromEntries(versions.map((pin) => [`containerized-mounter.package.${pin.name}`, pin.version])),
  };
}
