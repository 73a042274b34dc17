import { MounterError } from '../../../src/errors.ts';
import { exitCode } from '../../../src/exit-codes.ts';
import { runInVm } from '../../../test/support/vm.ts';
import { repository } from '../../paths.ts';
import { compilePrograms, compileStatic } from '../calls/programs.ts';
import { isResult, type NfsBenchRequest, type NfsBenchResults, parseResults } from './results.ts';

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
  const result = await runInVm({
    command: ['node', 'scripts/bench/nfs/inside.ts', JSON.stringify(request)],
    timeoutSeconds: limitOf(request),
    memoryMegabytes: 2048,
    onOutput: onlyProgress(onProgress),
  });
  if (result.status !== exitCode.success) {
    throw new MounterError('the measurement broke off', {
      status: exitCode.system,
      helperOutput: result.status === undefined ? result.console : result.output,
      hint: result.timedOut ? 'it took too long: see whether the machine has much else to do' : undefined,
    });
  }
  return parseResults(result.output);
}

function limitOf({ rounds, firstMounts, storms }: NfsBenchRequest): number {
  const { round, firstMount, storm } = secondsPer;
  return fixedSeconds + round * rounds + firstMount * firstMounts + 2 * storm * storms;
}

/** Output comes in pieces, and the results are one long line of it. */
function onlyProgress(onProgress: (line: string) => void): (text: string) => void {
  let unfinished = '';
  return (text) => {
    const lines = `${unfinished}${text}`.split('\n');
    unfinished = lines.pop() ?? '';
    for (const line of lines) if (!isResult(line)) onProgress(line);
  };
}
