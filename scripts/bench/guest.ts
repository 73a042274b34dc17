import { MounterError } from '../../src/errors.ts';
import { exitCode } from '../../src/exit-codes.ts';
import { runInVm } from '../../test/support/vm.ts';

/**
 * Measures in the test VM, which is built first if need be.
 * @param script runs there with `request` as JSON; it prints lines that say how far it has come, and one line of JSON.
 * @param onProgress gets each of the others.
 * @throws MounterError (system) when the measurement broke off.
 */
export async function measureInGuest<Results>(
  script: string,
  request: object,
  timeoutSeconds: number,
  onProgress: (line: string) => void,
): Promise<Results> {
  const result = await runInVm({
    command: ['node', script, JSON.stringify(request)],
    timeoutSeconds,
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

/** The results among what the guest wrote: the one line that is JSON. @throws Error when there is none. */
export function parseResults<Results>(output: string): Results {
  const line = output.split('\n').find(isResult);
  if (line === undefined) throw new Error('the guest printed no results');
  return JSON.parse(line) as Results;
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

function isResult(line: string): boolean {
  return line.startsWith('{');
}
