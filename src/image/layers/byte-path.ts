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

/** For messages; what is no UTF-8 becomes U+FFFD. */
export function textOf(bytes: string): string {
  return isAscii(bytes) ? bytes : Buffer.from(bytes, 'latin1').toString('utf8');
}

function isAscii(text: string): boolean {
  return !/[^\x00-\x7f]/.test(text);
}
