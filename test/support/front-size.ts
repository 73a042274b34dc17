import { readCodename } from '../../scripts/debian/sources.ts';

/** What the front may have at most: Debian 13's compiler and C library make 3 % more of the same than Debian 12's. */
export async function mostBytesOfFront(): Promise<number> {
  return (await readCodename()) === 'bookworm' ? 2_000_000 : 2_060_000;
}
