import { createReadStream } from 'node:fs';
import { pipeline, Readable, type TransformCallback } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { sourceError } from '../content.ts';
import { DigestStream, shortDigest } from '../digest.ts';

/** How much of a blob is read at a time; node's own 64 KiB are many calls for a layer of some hundred MB. */
export const readSize = 512 * 1024;

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
  // An error of either reaches the reader: pipeline destroys the last stream with it.
  return pipeline(openPart(part), new VerifiedStream(blob), () => {});
}

/** A file of an image by its name: in a directory, or in a tar. */
export type FindPart = (name: string) => FilePart | undefined;

/** @throws MounterError (system) where it is missing. */
export function requirePart(find: FindPart, name: string, reference: string): FilePart {
  const part = find(name);
  if (part === undefined) throw damaged(reference, `the layout lacks ${name}, which another file names`);
  return part;
}

const largestDocument = 4 * 1024 * 1024;

/** @throws MounterError (system) where it is missing, or larger than 4 MiB. */
export async function readDocument(find: FindPart, name: string, reference: string): Promise<Buffer> {
  const part = requirePart(find, name, reference);
  if (part.size > largestDocument) throw damaged(reference, `${name} is larger than 4 MiB`);
  return await buffer(openPart(part));
}

export function damaged(reference: string, message: string): Error {
  return sourceError(
    reference,
    message,
    'write the image again: skopeo copy … oci:DIRECTORY:TAG, or docker save -o FILE IMAGE',
  );
}

/** What is known of a blob before it is read. */
export interface KnownBlob {
  readonly reference: string;
  readonly digest: string;
  readonly size: number;
}

/** Passes a blob's bytes through; fails as soon as there are too many, and at the end if they are others. */
class VerifiedStream extends DigestStream {
  readonly #blob: KnownBlob;
  #bytes = 0;

  constructor(blob: KnownBlob) {
    super();
    this.#blob = blob;
  }

  override _transform(chunk: Buffer, encoding: BufferEncoding, done: TransformCallback): void {
    this.#bytes += chunk.length;
    if (this.#bytes > this.#blob.size) done(differs(this.#blob, `has more than ${this.#blob.size} bytes`));
    else super._transform(chunk, encoding, done);
  }

  override _flush(done: TransformCallback): void {
    const digest = this.digest();
    if (this.#bytes < this.#blob.size)
      done(differs(this.#blob, `has ${this.#bytes} bytes instead of ${this.#blob.size}`));
    else if (digest !== this.#blob.digest) done(differs(this.#blob, `has the digest ${digest}`));
    else done();
  }
}

export function differs({ reference, digest }: KnownBlob, how: string): Error {
  const hint = 'fetch or write the image again; if it stays so, it was damaged where it was made';
  return sourceError(reference, `the blob ${shortDigest(digest)} ${how}`, hint);
}
