import { complaints, type Examination } from '../node/examination.ts';
import { mounter } from './node.ts';

export interface Examined extends Examination {
  readonly milliseconds: number;
  readonly status: number;
}

/** Where the machine has much else to do a helper takes the guest seconds to say its version: then once more. */
export async function examine(tries = 5): Promise<Examined> {
  const { status = -1, output, milliseconds } = await mounter('doctor', '--json');
  const examined = { status, milliseconds, ...(JSON.parse(output) as Examination) };
  const isSlow = examined.findings.some(({ message }) =>
    message.startsWith('did not say its version within'),
  );
  return isSlow && tries > 1 ? examine(tries - 1) : examined;
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
