import { createHash } from 'node:crypto';

/** Digests as text: `sha256:` and 64 hexadecimal digits. */

export function isDigest(text: string): boolean {
  return /^sha256:[0-9a-f]{64}$/.test(text);
}

export function digestOf(bytes: Uint8Array): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

/** Enough of a digest for a reader to find it by. */
export function shortDigest(digest: string): string {
  return digest.slice(0, 'sha256:'.length + 12);
}

/** The digits alone, as blobs are called in an OCI layout. */
export function digitsOf(digest: string): string {
  return digest.slice('sha256:'.length);
}
