import { complaints, type Examination, isHurried } from '../node/examination.ts';
import { mounter } from './node.ts';

export interface Examined extends Examination {
  readonly milliseconds: number;
  readonly status: number;
}

export async function examine(tries = 5): Promise<Examined> {
  const { status = -1, output, milliseconds } = await mounter('doctor', '--json');
  const examined = { status, milliseconds, ...(JSON.parse(output) as Examination) };
  return isHurried(examined) && tries > 1 ? examine(tries - 1) : examined;
}

/** What the guest never has: name servers, a firewall, a past without failures; and a CPU for itself. */
const always = /^warning (resolver|failures|locks port 111|helpers )/;

/** What is found of it besides. */
export function faultsOf(examined: Examination): readonly string[] {
  return complaints(examined).filter((line) => !always.test(line));
}

export async function faults(): Promise<readonly string[]> {
  return faultsOf(await examine());
}
