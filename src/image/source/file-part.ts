import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { readSize } from './read-size.ts';
import { type KnownBlob, verified } from './verified-stream.ts';

/** Bytes on the local disk: a file, or an entry of an uncompressed tar. */
export interface FilePart {
  readonly path: string;
  readonly offset: number;
  readonly size: number;
}

export function openPart({ path, offset, size }: FilePart): Readable {
  if (size === 0) return Readable.from([]);
  return createReadStream(path, { start: offset, end: offset + size - 1, highWaterMark: readSize });
}

/** The part's bytes; ends with an error when they are not `blob`. */
export function openVerified(part: FilePart, blob: KnownBlob): Readable {
  return verified(openPart(part), blob);
}

/** A document: the caller has seen that it is small. */
export async function readPart(part: FilePart): Promise<Buffer> {
  return await buffer(openPart(part));
}

/** `sha256:…` */
export async function digestOfPart(part: FilePart): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of openPart(part)) hash.update(chunk);
  return `sha256:${hash.digest('hex')}`;
}
