import { statSync } from 'node:fs';
import { MounterError } from '../errors.ts';
import { exitCode } from '../exit-codes.ts';
import { parseReference } from './reference.ts';
import { openRegistryImage } from './registry/registry-image.ts';
import { openDirectory, openTar } from './source/local-image.ts';
import type { OpenedSource, SourceOptions } from './source/options.ts';
import { openUrl } from './source/url.ts';

export type { OpenedSource, Platform, ProgressEvent, SourceOptions } from './source/options.ts';

/**
 * Opens what the operator names, in this order:
 *
 * - `https://…`, `http://…`: a tar behind a URL
 * - `oci:DIRECTORY[:TAG]`: a directory in the OCI layout
 * - `docker://REFERENCE`: an image in a registry, whatever files there are
 * - a file or a directory that is there, or a word that begins with `/`, `./` or `../`: a tar (plain, gzip,
 *   zstd) of a rootfs, of an OCI layout or from `docker save`; or a directory in the OCI layout
 * - otherwise an image in a registry: `registry.example[:port]/path[:tag][@sha256:…]`
 *
 * @returns the content; where it is in a registry, its layers arrive once one is opened. Dispose of it in any case.
 * @throws MounterError that names the word. Nothing temporary is left then.
 */
export async function openSource(word: string, options: SourceOptions): Promise<OpenedSource> {
  if (/^https?:\/\//i.test(word) && URL.canParse(word)) return await openUrl(word, options);
  if (word.startsWith('oci:')) return await openLayout(word, options);
  if (word.startsWith('docker://')) return await openImage(word.slice('docker://'.length), options);
  const status = statSync(word, { throwIfNoEntry: false });
  if (status?.isDirectory() === true) return await openDirectory(word, undefined, word, options);
  if (status?.isFile() === true) return await openTar(word, word, options);
  if (status !== undefined) throw usage(word, 'is neither a file nor a directory');
  if (/^\.{0,2}\//.test(word)) throw usage(word, 'there is no such file');
  return await openImage(word, options);
}

async function openImage(word: string, options: SourceOptions): Promise<OpenedSource> {
  return await openRegistryImage(parseReference(word), word, options);
}

/** A directory's name may have a colon in it. */
async function openLayout(word: string, options: SourceOptions): Promise<OpenedSource> {
  const rest = word.slice('oci:'.length);
  const [, before = rest, tag] = /^(.+):([^:/]+)$/.exec(rest) ?? [];
  if (isDirectory(rest)) return await openDirectory(rest, undefined, word, options);
  if (isDirectory(before)) return await openDirectory(before, tag, word, options);
  throw usage(word, 'there is no such directory');
}

function isDirectory(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
}

function usage(word: string, message: string): MounterError {
  return new MounterError(message, {
    subject: word,
    status: exitCode.usage,
    hint: 'name the tar of a rootfs or an image, an OCI layout, a URL, or an image such as registry.example/tools:v1',
  });
}
