import { printable } from '../../../src/errors.ts';
import type { Tree, TreeEntry } from './tree.ts';

/**
 * Where `found` is not as `expected`, a line each: `PATH: only here`, `PATH: FIELD is …, not …`; nothing
 * when they are the same.
 */
export function differencesOf(expected: Tree, found: Tree): readonly string[] {
  const paths = [...new Set([...expected.keys(), ...found.keys()])].sort();
  return paths.flatMap((path) => {
    const [wanted, is] = [expected.get(path), found.get(path)];
    if (wanted === undefined) return [`${printable(path)}: is too much: ${is?.type}`];
    if (is === undefined) return [`${printable(path)}: is missing: ${wanted.type}`];
    return changes(wanted, is).map((change) => `${printable(path)}: ${change}`);
  });
}

function changes(wanted: TreeEntry, is: TreeEntry): readonly string[] {
  // Of another type everything is different.
  if (wanted.type !== is.type) return [`is a ${is.type}, not a ${wanted.type}`];
  const fields = [...new Set([...Object.keys(wanted), ...Object.keys(is)])] as (keyof TreeEntry)[];
  return fields
    .filter((field) => wanted[field] !== is[field])
    .map((field) => `${field} is ${show(is[field])}, not ${show(wanted[field])}`);
}

function show(value: string | undefined): string {
  return value === undefined ? 'none' : printable(value);
}
