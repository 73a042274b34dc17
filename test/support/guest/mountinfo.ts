import { readFile } from 'node:fs/promises';
import { type MountEntry, mountsBelow, parseMountinfo } from '../../../src/host/mountinfo.ts';

/** The mounts that this process sees at `directory` and below it, hidden ones too, in mountinfo's order. */
export async function readMountsFrom(directory: string): Promise<readonly MountEntry[]> {
  const entries = parseMountinfo(await readFile('/proc/self/mountinfo', 'utf8'));
  const below = new Set(mountsBelow(entries, directory));
  return entries.filter((entry) => entry.mountPoint === directory || below.has(entry));
}
