import { createHash, type Hash } from 'node:crypto';
import { pipeline, type Readable, Transform, type TransformCallback } from 'node:stream';
import { shortDigest } from './sha256.ts';
import { sourceError } from './source-error.ts';

/** What is known of a blob before it is read. */
export interface KnownBlob {
  readonly reference: string;
  readonly digest: string;
  readonly size: number;
}

/** Passes a blob's bytes through; fails as soon as there are too many, and at the end if they are others. */
class VerifiedStream extends Transform {
  readonly #hash: Hash = createHash('sha256');
  readonly #blob: KnownBlob;
  #bytes = 0;

  constructor(blob: KnownBlob) {
    super();
    this.#blob = blob;
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    this.#bytes += chunk.length;
    this.#hash.update(chunk);
    if (this.#bytes > this.#blob.size) done(differs(this.#blob, `has more than ${this.#blob.size} bytes`));
    else done(null, chunk);
  }

  override _flush(done: TransformCallback): void {
    const digest = `sha256:${this.#hash.digest('hex')}`;
    if (this.#bytes < this.#blob.size)
      done(differs(this.#blob, `has ${this.#bytes} bytes instead of ${this.#blob.size}`));
    else if (digest !== this.#blob.digest) done(differs(this.#blob, `has the digest ${digest}`));
    else done();
  }
}

/** `source` again, which now ends with an error unless size and digest are those of `blob`. */
export function verified(source: Readable, blob: KnownBlob): Readable {
  // An error of either reaches the reader: pipeline destroys the last stream with it.
  return pipeline(source, new VerifiedStream(blob), () => {});
}

export function differs({ reference, digest }: KnownBlob, how: string): Error {
  const hint = 'fetch or write the image again; if it stays so, it was damaged where it was made';
  return sourceError(reference, `the blob ${shortDigest(digest)} ${how}`, hint);
}
