import { EntryError, splitName } from './entry-path.ts';
import type { LayerTree } from './layer-tree.ts';

/** Entries that remove instead of add: OCI image-spec, layer.md, "Whiteouts". */

const prefix = '.wh.';
const opaque = '.wh..wh..opq';
/** AUFS's own: hard links and orphans that have no place in an image; containerd passes over them too. */
const aufs = '.wh..wh.';

export type Whiteout = 'opaque' | 'plain' | 'ignored';

/** What `base`, the last part of an entry's clean name, asks for; undefined for an ordinary entry. */
export function whiteoutOf(name: string, base: string): Whiteout | undefined {
  if (base === opaque) return 'opaque';
  if (name.startsWith(aufs) || base.startsWith(aufs)) return 'ignored';
  return base.startsWith(prefix) ? 'plain' : undefined;
}

/**
 * Removes what lower layers have put there. This layer's own entries stay, whether they come before or after;
 * what is not there is not missed.
 * @throws EntryError when the name would lead out of its directory: `.wh.`, `.wh..`, `.wh...`.
 */
export function applyWhiteout(tree: LayerTree, kind: Whiteout, name: string): void {
  if (kind === 'ignored') return;
  const [above, base] = splitName(name);
  const target = base.slice(prefix.length);
  if (target === '' || target === '.' || target === '..')
    throw new EntryError(name, 'is a whiteout of what is no name');
  const directory = tree.directory(above, false);
  if (directory === undefined) return;
  if (kind === 'opaque') tree.emptyLower(directory);
  else tree.removeLower(`${directory}/${target}`);
}
