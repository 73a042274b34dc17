import { askedInPeace, complaints, type Examination, type Examined } from '../node/examination.ts';
import { mounter } from './node.ts';

export function examine(): Promise<Examined> {
  return askedInPeace(async () => {
    const { status = -1, output, milliseconds } = await mounter('doctor', '--json');
    return { status, milliseconds, ...(JSON.parse(output) as Examination) };
  });
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
