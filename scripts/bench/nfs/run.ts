import { repository } from '../../paths.ts';
import { compilePrograms, compileStatic } from '../calls/programs.ts';
import { measureInGuest } from '../guest.ts';
import type { NfsBenchRequest, NfsBenchResults } from './results.ts';

/** Of the guest's boot, its nodes, and a first mount by the original's way. */
const fixedSeconds = 300;
/** Far more than any takes: a limit for what hangs. */
const secondsPer = { round: 30, firstMount: 30, storm: 300 } as const;

/**
 * Measures in the test VM, which is built first if need be.
 * @param onProgress gets each line in which the guest says how far it has come.
 * @throws MounterError (system) when the measurement broke off.
 */
export async function measureInVm(
  request: NfsBenchRequest,
  onProgress: (line: string) => void,
): Promise<NfsBenchResults> {
  await compilePrograms();
  await compileStatic(`${repository}/scripts/bench/storm/launch.c`);
  const script = 'scripts/bench/nfs/inside.ts';
  return measureInGuest<NfsBenchResults>(script, request, limitOf(request), onProgress);
}

function limitOf({ rounds, firstMounts, storms }: NfsBenchRequest): number {
  const { round, firstMount, storm } = secondsPer;
  return fixedSeconds + round * rounds + firstMount * firstMounts + 2 * storm * storms;
}
