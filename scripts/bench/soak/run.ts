import { execa } from 'execa';
import { MounterError } from '../../../src/errors.ts';
import { exitCode } from '../../../src/exit-codes.ts';
import { startGlusterServer } from '../../../test/support/gluster/gluster-server.ts';
import { compilePrograms } from '../calls/programs.ts';
import type { SoakRequest } from './inside.ts';
import type { SoakReport } from './report.ts';

export type SoakLimits = Pick<SoakRequest, 'executable' | 'enter' | 'cycles' | 'seconds'>;

/** @throws MounterError (system) when it could not be made; what came of it is in the report. */
export async function runSoak(limits: SoakLimits): Promise<SoakReport> {
  const programs = await compilePrograms();
  await using server = await startGlusterServer({ volumes: ['v1'] });
  const request: SoakRequest = { ...limits, programs, glusterSource: `${server.address}:v1` };
  const inside = [process.execPath, `${import.meta.dirname}/inside.ts`, JSON.stringify(request)];
  const namespaces = [
    '--mount',
    '--propagation',
    'private',
    '--pid',
    '--fork',
    '--mount-proc',
    '--kill-child',
  ];
  const argv = [
    ...server.enter,
    'setpriv',
    '--pdeathsig',
    'KILL',
    '--',
    'unshare',
    ...namespaces,
    '--',
    ...inside,
  ];
  const { stdout, failed, stderr } = await execa(argv[0] ?? '', argv.slice(1), {
    stdin: 'ignore',
    reject: false,
  });
  if (!failed) return JSON.parse(stdout) as SoakReport;
  throw new MounterError('the soak broke off', { status: exitCode.system, helperOutput: stderr });
}
