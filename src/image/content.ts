import type { Readable } from 'node:stream';
import { MounterError } from '../errors.ts';
import { exitCode } from '../exit-codes.ts';

/** An image to be unpacked, wherever it comes from: a registry, a file, a directory, a URL. */
export interface ImageContent {
  /** `sha256:…`, the name of the version: of the image's manifest, or of a plain rootfs tar without compression. */
  readonly digest: string;
  /** What the operator called it; for messages. */
  readonly reference: string;
  /** What the image calls itself, such as `storage-tools:v1`; undefined where it says nothing. */
  readonly name?: string | undefined;
  /** In the order in which they are unpacked, the lowest first. */
  readonly layers: readonly Layer[];
  /** The image's own configuration; undefined for a plain rootfs tar. */
  readonly config: ImageConfig | undefined;
}

/** One tar, compressed or not, complete and verified on the local disk or verified while it is read. */
export interface Layer {
  /** Digest of the blob as it is stored, `sha256:…`. */
  readonly digest: string;
  /** Digest of the uncompressed tar, `sha256:…`, where the image's configuration says it. */
  readonly diffId: string | undefined;
  /** Bytes of the blob as it is stored. */
  readonly size: number;
  /**
   * The blob's bytes, still compressed. It ends with an error, never early, when size or digest do not fit.
   * Waits until the blob is there: layers may be read in order while later ones still arrive.
   */
  open(): Promise<Readable>;
}

/** The parts of an image's configuration that matter on a node. */
export interface ImageConfig {
  readonly architecture: string;
  readonly os: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly entrypoint: readonly string[];
  readonly cmd: readonly string[];
  readonly env: readonly string[];
  /** Empty where the image names none. */
  readonly workingDirectory: string;
}

/** What is wrong with the image `reference`: one sentence, and the next action. */
export function sourceError(reference: string, message: string, hint: string, cause?: unknown): MounterError {
  return new MounterError(message, { subject: reference, status: exitCode.system, hint, cause });
}
