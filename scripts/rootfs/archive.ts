import { createHash } from 'node:crypto';
import { buffer } from 'node:stream/consumers';
import { promisify } from 'node:util';
import { constants, zstdCompress } from 'node:zlib';
import { type Pack, pack } from 'tar-stream';
import type { Entry } from './entry.ts';

/**
 * zstd's, for what many nodes pull and one machine compresses: the rootfs is 11.9 MB with it and 13.5 with the usual
 * one, in 11 s instead of 2; the executable 45.1 MB instead of 48.4, in 40 s instead of 10.
 */
export const publishedLevel = 18;

const usualLevel = 12;

/**
 * A tar of `entries` in their order: ustar, numeric owners only, every time `epoch` (seconds since 1970).
 * The same entries give the same bytes on every machine.
 */
export async function tarOf(entries: readonly Entry[], epoch: number): Promise<Buffer> {
  const archive = pack();
  const bytes = buffer(archive);
  for (const entry of entries) await append(archive, entry, new Date(epoch * 1000));
  archive.finalize();
  return await bytes;
}

function append(archive: Pack, entry: Entry, mtime: Date): Promise<void> {
  const { path: name, uid, gid } = entry;
  const header = { name, uid, gid, mtime };
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const done = (error?: Error | null) => (error ? reject(error) : resolve());
  if (entry.kind === 'link') {
    archive.entry({ ...header, type: 'symlink', mode: 0o777, linkname: entry.target }, done);
  } else if (entry.kind === 'directory') {
    archive.entry({ ...header, type: 'directory', mode: entry.mode }, done);
  } else {
    archive.entry({ ...header, type: 'file', mode: entry.mode }, entry.content, done);
  }
  return promise;
}

/** `sha256:` and 64 hexadecimal digits. */
export function digestOf(bytes: Buffer): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

/**
 * `bytes` as a zstd frame that names its size and carries a checksum; one thread, fixed level.
 * @param window how far back it looks, as a power of 2 bytes; who decompresses needs as much memory, and may refuse
 *   more than 27.
 */
export function compress(bytes: Buffer, level = usualLevel, window?: number): Promise<Buffer> {
  const params = {
    [constants.ZSTD_c_compressionLevel]: level,
    [constants.ZSTD_c_checksumFlag]: 1,
    [constants.ZSTD_c_nbWorkers]: 0,
    ...(window === undefined ? {} : { [constants.ZSTD_c_windowLog]: window }),
  };
  return promisify(zstdCompress)(bytes, { params });
}
