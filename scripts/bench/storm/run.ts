import { execa } from 'execa';
import { MounterError } from '../../../src/errors.ts';
import { exitCode } from '../../../src/exit-codes.ts';
import { ensureInstalled } from '../../debian.ts';
import { compilePrograms, compileStatic } from '../calls/programs.ts';
import type { StormRequest } from './inside.ts';
import type { Storm, StormReport } from './report.ts';

/**
 * Makes the storms, one after the other, on a node made for them.
 * @param executable with dist/rootfs.tar.zst beside it in dist.
 * @param called `mounter`, or another executable that its install puts into MOUNTER_HOME.
 * @param onReport is told of each storm as it is over.
 * @throws MounterError (system) when they could not be made; what came of the calls is in the reports.
 */
export async function runStorms(
  storms: readonly Storm[],
  executable: string,
  called = 'mounter',
  onReport: (report: StormReport) => void = () => {},
): Promise<readonly StormReport[]> {
  await ensureInstalled(['iproute2']);
  const programs = await compilePrograms();
  const launch = await compileStatic(`${import.meta.dirname}/launch.c`);
  const request: StormRequest = { executable, programs, launch, called, storms };
  const inside = [process.execPath, `${import.meta.dirname}/inside.ts`, JSON.stringify(request)];
  const [program, ...args] = inNamespaces(inside);
  const running = execa(program, args, { stdin: 'ignore', reject: false });
  const reports: StormReport[] = [];
  for await (const line of running) {
    const report = JSON.parse(line) as StormReport;
    reports.push(report);
    onReport(report);
  }
  const { failed, stderr } = await running;
  if (failed) {
    throw new MounterError('the storm broke off', {
      status: exitCode.system,
      helperOutput: stderr,
      hint: 'where namespaces are not allowed (some containers), run it on a machine or in a VM',
    });
  }
  return reports;
}

/** All of it goes with its first process, which is killed when we end. */
function inNamespaces(argv: readonly string[]): readonly [program: string, ...args: string[]] {
  const namespaces = ['--mount', '--propagation', 'private', '--net', '--pid', '--fork', '--mount-proc'];
  return ['setpriv', '--pdeathsig', 'KILL', '--', 'unshare', ...namespaces, '--kill-child', '--', ...argv];
}
