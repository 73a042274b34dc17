import type { Manifest } from '../../src/manifest/manifest.ts';
import type { Architecture } from '../architectures.ts';
import { findUpdates, type Update } from '../debian.ts';
import { architecturesOf, ofArchitecture } from './pins.ts';

/** `npm run rootfs -- --check`: which pinned packages have a newer version. */

interface MissingUpdate extends Update {
  readonly architectures: readonly Architecture[];
}

export interface Check {
  readonly isSecurityMissing: boolean;
  /** Lines, each with its newline. */
  readonly text: string;
}

/** @throws MounterError (system) where the archives cannot be asked. */
export async function checkPins(rootfs: Manifest['rootfs']): Promise<Check> {
  const updates: MissingUpdate[] = [];
  let count = 0;
  for (const architecture of architecturesOf(rootfs)) {
    const { packages, optional = {}, suite } = ofArchitecture(rootfs, architecture);
    const pins = [...packages, ...Object.values(optional).flatMap((kind) => kind.packages)];
    count = Math.max(count, pins.length);
    for (const update of await findUpdates(pins, suite, architecture))
      updates.push({ ...update, architectures: [architecture] });
  }
  return describeUpdates(merged(updates), count, rootfs);
}

/** What is the same for several architectures is said once. */
function merged(updates: readonly MissingUpdate[]): readonly MissingUpdate[] {
  const found = new Map<string, MissingUpdate>();
  for (const update of updates) {
    const key = `${update.name} ${update.pinned} ${update.newest} ${update.isSecurity}`;
    const architectures = [...(found.get(key)?.architectures ?? []), ...update.architectures];
    found.set(key, { ...update, architectures });
  }
  return [...found.values()];
}

function describeUpdates(
  updates: readonly MissingUpdate[],
  count: number,
  { suite }: Pick<Manifest['rootfs'], 'suite'>,
): Check {
  const isSecurityMissing = updates.some(({ isSecurity }) => isSecurity);
  if (updates.length === 0)
    return { isSecurityMissing, text: `all ${count} pins are the newest of ${suite}\n` };
  const rank = ({ isSecurity, name }: Update) => `${isSecurity ? 0 : 1} ${name}`;
  const lines = updates
    .toSorted((a, b) => (rank(a) < rank(b) ? -1 : 1))
    .map(
      ({ name, pinned, newest, isSecurity, architectures }) =>
        `${isSecurity ? 'security' : 'newer   '} ${name} ${pinned} -> ${newest} (${architectures.join(', ')})`,
    );
  const names = (some: readonly Update[]) => new Set(some.map(({ name }) => name)).size;
  const security = names(updates.filter(({ isSecurity }) => isSecurity));
  const total = `${names(updates)} of ${count} pinned packages have a newer version, ${security} of them a security update`;
  return {
    isSecurityMissing,
    text: `${[...lines, total].join('\n')}\nhint: npm run rootfs -- --update-pins\n`,
  };
}
