import { MounterError } from '../../errors.ts';
import { exitCode } from '../../exit-codes.ts';

/**
 * Paths are bytes to the kernel, and images hold names that are no UTF-8. A byte string has one character, 0
 * to 255, for each byte: it compares, splits and serves as a key like any text.
 */

export function bytesOf(text: string): string {
  return isAscii(text) ? text : Buffer.from(text, 'utf8').toString('latin1');
}

/** As node:fs wants it. */
export function pathOf(bytes: string): string | Buffer {
  return isAscii(bytes) ? bytes : Buffer.from(bytes, 'latin1');
}

/** For messages: bytes that are not UTF-8 become U+FFFD. */
export function textOf(bytes: string): string {
  return isAscii(bytes) ? bytes : Buffer.from(bytes, 'latin1').toString('utf8');
}

function isAscii(text: string): boolean {
  return !/[^\x00-\x7f]/.test(text);
}

/**
 * An entry's name without what says nothing: `./a//b/` is `a/b`, and the root is ``. An absolute name, and one
 * that `..` leads above the root, is taken as one inside the root, by its text alone: so do containerd
 * (filepath.Clean and RootPath) and umoci (CleanPath). Symlinks are seen to when it is looked up.
 * @param name a byte string.
 * @throws EntryError for what no file can be called.
 */
export function cleanName(name: string): string {
  if (name.includes('\0')) throw new EntryError(name, 'has a NUL in its name');
  // The most frequent by far.
  if (!/(^|\/)(\.{0,2})(\/|$)/.test(name)) return name;
  const parts: string[] = [];
  for (const part of name.split('/')) {
    if (part === '..') parts.pop();
    else if (part !== '' && part !== '.') parts.push(part);
  }
  return parts.join('/');
}

/** The directory of a clean name, `` for the root, and the last part of it. */
export function splitName(name: string): readonly [directory: string, base: string] {
  const slash = name.lastIndexOf('/');
  return [name.slice(0, Math.max(0, slash)), name.slice(slash + 1)];
}

/** An archive's entry asks for something that it cannot have. */
export class EntryError extends MounterError {
  /** @param name a byte string. */
  constructor(
    name: string,
    why: string,
    hint = 'take an image from a source you trust; nothing was installed',
  ) {
    super(`the archive's entry ${why}`, {
      subject: textOf(name),
      status: exitCode.system,
      hint,
    });
  }
}
