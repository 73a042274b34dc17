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
  /** What its signatures are of; undefined where nobody can sign it: a plain rootfs tar, and what `docker save` wrote. */
  readonly signed?: SignedDocument;
}

/** The index or the manifest that the image's name leads to. */
export interface SignedDocument {
  readonly digest: string;
  /** `registry.example/team/tools`, by which it was asked for; undefined for a file, which may call itself anything. */
  readonly repository: string | undefined;
  /**
   * Has `check` look at the signatures that are stored for it: in a registry at its mirrors first, one after the other
   * until it throws nothing. @throws what it throws at the last.
   */
  checkSignatures<T>(check: (found: AsyncIterable<FoundSignature>) => Promise<T>): Promise<T>;
}

/** What was stored as a signature. Nothing of it is verified. */
export type FoundSignature =
  /** cosign's first format: the payload names the image, and base64 signs its bytes. */
  | { readonly kind: 'simpleSigning'; readonly payload: Buffer; readonly signature: string }
  /** A sigstore bundle, as JSON. */
  | { readonly kind: 'bundle'; readonly bytes: Buffer }
  | { readonly kind: 'unreadable'; readonly why: string };

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
