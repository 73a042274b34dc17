import { createReadStream, statSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { posix } from 'node:path';
import type { ImageContent } from '../content.ts';
import { diskFailure } from '../registry/receive.ts';
import { decompressed } from './compression.ts';
import { dockerSaveContent, type FindPart, isDockerSave } from './docker-save.ts';
import { isOciLayout, ociLayoutContent } from './oci-layout.ts';
import type { OpenedSource, SourceOptions } from './options.ts';
import { rootfsContent } from './rootfs-tar.ts';
import { sourceError } from './source-error.ts';
import { readTarFile, type TarFile } from './tar-file.ts';

/** A directory in the OCI layout. @throws MounterError (system) when it is none. */
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
  if (!isOciLayout(find)) {
    const hint = 'name a tar, or a directory that skopeo copy … oci:DIRECTORY:TAG has made';
    throw sourceError(reference, 'is a directory without oci-layout and index.json', hint);
  }
  return { content: await ociLayoutContent(find, tag, reference, options), dispose: async () => {} };
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
  const seekable = `${options.downloadDirectory}/source-${process.pid}.tar`;
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
  const isImage = tar.files.has('oci-layout') || tar.files.has('manifest.json');
  if (isImage && tar.compression !== undefined) await decompressTo(seekable, tar, reference);
  const path = tar.compression === undefined ? tar.path : seekable;
  const find: FindPart = (name) => {
    const entry = tar.files.get(posix.normalize(name));
    return entry === undefined ? undefined : { path, ...entry };
  };
  if (isOciLayout(find)) return await ociLayoutContent(find, undefined, reference, options);
  if (await isDockerSave(find)) return await dockerSaveContent(find, reference, options);
  return rootfsContent(tar, reference, options);
}

async function decompressTo(path: string, tar: TarFile, reference: string): Promise<void> {
  try {
    await rm(path, { force: true });
    await writeFile(path, decompressed(createReadStream(tar.path), tar.compression), {
      flag: 'wx',
      mode: 0o600,
    });
  } catch (error) {
    throw diskFailure(error, { reference, what: 'to uncompress it' });
  }
}
