import { createReadStream, existsSync, readdirSync, statSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { posix } from 'node:path';
import { shellQuoted } from '../../shell-word.ts';
import { decompressed } from '../compression.ts';
import { type ImageContent, sourceError } from '../content.ts';
import { sourcePrefix } from '../registry/partial-file.ts';
import { diskFailure } from '../registry/receive.ts';
import { dockerSaveContent, isDockerSave, saveOne } from './docker-save.ts';
import { type FindPart, openVerified } from './file-part.ts';
import { blobsDirectory, isOciLayout, ociLayoutContent } from './oci-layout.ts';
import { checkExpected, type OpenedSource, type SourceOptions } from './options.ts';
import { readTarFile, type TarFile } from './tar-file.ts';

/** Opens a directory in the OCI layout. @throws MounterError (system) when it is not in that layout. */
export async function openDirectory(
  directory: string,
  tag: string | undefined,
  reference: string,
  options: SourceOptions,
): Promise<OpenedSource> {
  const find: FindPart = (name) => {
    const path = `${directory}/${name}`;
    const status = statSync(path, { throwIfNoEntry: false });
    return status?.isFile() === true ? { path, offset: 0, size: status.size } : undefined;
  };
  if (!isOciLayout(find, existsSync(`${directory}/${blobsDirectory}`))) {
    const hint = 'name a tar, or a directory that skopeo copy … oci:DIRECTORY:TAG has made';
    throw sourceError(reference, 'is a directory without oci-layout and index.json', hint);
  }
  const blobs = () => readdirSync(`${directory}/${blobsDirectory}`);
  const naming = 'name one, as oci:DIRECTORY:TAG';
  const content = await ociLayoutContent(find, blobs, tag, reference, options, naming);
  return { content, dispose: async () => {} };
}

/**
 * A tar, compressed or not: an OCI layout, what `docker save` wrote, or else the rootfs itself.
 * Where an image's tar is compressed, it is uncompressed to the download directory: its parts are read in
 * the order of the layers.
 */
export async function openTar(
  path: string,
  reference: string,
  options: SourceOptions,
): Promise<OpenedSource> {
  const tar = await readTarFile(path, reference);
  const seekable = `${options.downloadDirectory}/${sourcePrefix}${process.pid}.tar`;
  const dispose = () => rm(seekable, { force: true });
  try {
    return { content: await tarContent(tar, seekable, reference, options), dispose };
  } catch (error) {
    await dispose();
    throw error;
  }
}

async function tarContent(
  tar: TarFile,
  seekable: string,
  reference: string,
  options: SourceOptions,
): Promise<ImageContent> {
  const isImage = imageFiles.some((name) => tar.files.has(name));
  if (isImage && tar.compression !== 'none') await decompressTo(seekable, tar, reference);
  const path = tar.compression === 'none' ? tar.path : seekable;
  const find: FindPart = (name) => {
    const entry = tar.files.get(posix.normalize(name));
    return entry === undefined ? undefined : { path, ...entry };
  };
  const blobs = [...tar.files.keys()]
    .filter((name) => name.startsWith(`${blobsDirectory}/`))
    .map((name) => posix.basename(name));
  if (isOciLayout(find, blobs.length > 0))
    return await ociLayoutContent(find, () => blobs, undefined, reference, options, saveOne);
  if (await isDockerSave(find)) return await dockerSaveContent(find, reference, options);
  refuseOtherImage(tar, reference);
  return rootfsContent(tar, reference, options);
}

const imageFiles = ['oci-layout', 'index.json', 'manifest.json'];

/** What is an image, but none that can be read, is no rootfs either. @throws MounterError (system) */
function refuseOtherImage({ files }: TarFile, reference: string): void {
  const [first = ''] = files.keys();
  const [top = ''] = first.split('/', 1);
  const isNested = [...files.keys()].every((name) => name.startsWith(`${top}/`));
  const isImage = ['oci-layout', 'repositories'].some((name) => files.has(`${top}/${name}`));
  if (isNested && isImage) {
    const hint = `pack what is in it: tar -C ${shellQuoted(top)} -cf FILE .`;
    throw sourceError(reference, `holds an image in its directory ${top}, not at its top`, hint);
  }
  const isOld = files.has('repositories') && [...files.keys()].some((name) => name.endsWith('/layer.tar'));
  if (files.has('oci-layout') || isOld)
    throw sourceError(reference, 'is an image without index.json and manifest.json', saveOne);
}

async function decompressTo(path: string, tar: TarFile, reference: string): Promise<void> {
  try {
    await rm(path, { force: true });
    await writeFile(path, decompressed(createReadStream(tar.path)), {
      flag: 'wx',
      mode: 0o600,
    });
  } catch (error) {
    throw diskFailure(error, { reference, what: 'to uncompress it' });
  }
}

/** A rootfs as one tar, without an image around it: its name is the digest of the uncompressed tar. */
function rootfsContent(tar: TarFile, reference: string, { expectedDigest }: SourceOptions): ImageContent {
  const { path, digest, diffId, size } = tar;
  checkExpected(expectedDigest, [diffId], reference);
  if (tar.files.size === 0)
    throw sourceError(reference, 'is a tar without a single file', 'name the tar of a rootfs or of an image');
  const open = async () => openVerified({ path, offset: 0, size }, { reference, digest, size });
  const layer = { digest, diffId, size, open };
  return { digest: diffId, reference, layers: [layer], config: undefined };
}
