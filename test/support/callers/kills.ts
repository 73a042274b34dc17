import type { NodeRemains } from '../node/remains.ts';
import {
  leftOnce,
  makeCalls,
  mountedInTheEnd,
  nextCallFaults,
  type Place,
  targetFor,
} from './mounting-place.ts';
import { endedCaller } from './two-callers.ts';

export interface Kill {
  /** For a table of what came of it. */
  readonly outcome: 'ended before' | 'killed, nothing is mounted' | 'killed when it was mounted' | 'other';
  /** What must not be; empty when all is well. */
  readonly wrong: readonly string[];
}

/**
 * One call, killed at a moment by chance. Nothing is left of it: no helper, no daemon, no file, and no mount but one
 * that is whole, which was made the moment before. The next call succeeds.
 */
export async function playKill(place: Place, random: () => number, before: NodeRemains): Promise<Kill> {
  const [source] = place.kind.sources;
  const [end] = await makeCalls(place, [endedCaller(place.kind, source, 'SIGKILL', random)]);
  const target = targetFor(place.kind);
  const wrong: string[] = [];
  const { mounted, isAnswering } = await mountedInTheEnd(place, target);
  if (mounted.length > 0) {
    const isWhole = mounted.length === place.entriesPerVolume && mounted.every((one) => one === source);
    if (!isWhole) wrong.push(`mounted: ${mounted.join(', ')}`);
    if (!isAnswering) wrong.push('what is mounted does not answer');
    await place.run(['umount', target]);
  }
  wrong.push(...(await leftOnce(place, before)), ...(await nextCallFaults(place, before)));
  return { outcome: outcomeOf(end?.status, mounted.length > 0), wrong };
}

function outcomeOf(status: number | undefined, isMounted: boolean): Kill['outcome'] {
  if (status === 0 && isMounted) return 'ended before';
  if (status === 128 + 9) return isMounted ? 'killed when it was mounted' : 'killed, nothing is mounted';
  return 'other';
}
