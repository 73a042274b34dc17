import { lstatSync } from 'node:fs';
import { MounterError } from '../errors.ts';
import { exitCode } from '../exit-codes.ts';

/**
 * The host path of an archive's entry, strictly inside `root`: no absolute name, no `..`, and no symlink on
 * the way, whatever earlier entries have put there (CVE-2021-29136, CVE-2025-45582).
 * @returns undefined for the root directory itself (`./`).
 * @throws MounterError (system) that names the entry.
 */
export function entryPath(root: string, name: string): string | undefined {
  if (name.startsWith('/')) throw refused(name, 'has an absolute name');
  if (!isText(name)) throw refused(name, 'has a name that is not UTF-8 text');
  const parts = name.split('/').filter((part) => part !== '' && part !== '.');
  if (parts.includes('..')) throw refused(name, 'has ".." in its name');
  if (parts.length === 0) return undefined;
  let way = root;
  for (const part of parts.slice(0, -1)) {
    way = `${way}/${part}`;
    const status = lstatSync(way, { throwIfNoEntry: false });
    if (status?.isSymbolicLink()) throw refused(name, `leads through the symlink ${way.slice(root.length)}`);
  }
  return `${root}/${parts.join('/')}`;
}

/** False for what a file can't be called, or what was not UTF-8 and became U+FFFD in decoding. */
export function isText(name: string): boolean {
  return !/[\x00\ufffd]/.test(name);
}

export function refused(name: string, why: string): MounterError {
  return new MounterError(`the archive's entry ${why}`, {
    subject: name,
    status: exitCode.system,
    hint: 'take a rootfs from a source you trust; nothing was installed',
  });
}
