import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join, relative } from 'node:path';

/** A file of a release, and its sha256 in hexadecimal. */
export interface Sum {
  /** Relative to the release. */
  readonly path: string;
  readonly sha256: string;
}

/** Of all files below a directory, by their names' bytes. */
export async function sumsOf(directory: string): Promise<readonly Sum[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  const paths = entries
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => relative(directory, join(parentPath, name)))
    .sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  const sums: Sum[] = [];
  for (const path of paths) {
    const content = await readFile(join(directory, path));
    sums.push({ path, sha256: createHash('sha256').update(content).digest('hex') });
  }
  return sums;
}

/** As sha256sum(1) writes and checks it. */
export function sumsText(sums: readonly Sum[]): string {
  return sums.map(({ path, sha256 }) => `${sha256}  ${path}\n`).join('');
}
