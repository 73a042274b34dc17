import { exitCode } from '../../../src/exit-codes.ts';
import { namedMounter } from '../calls/node.ts';
import type { BenchPrograms } from '../calls/programs.ts';
import { makeStorm } from './make.ts';
import { makeStormNode } from './node.ts';
import type { Storm } from './report.ts';

/**
 * The part that runs in mount, network and pid namespaces of its own: `inside.ts REQUEST`, a StormRequest in
 * JSON. Prints one line of JSON for each storm: a StormReport.
 */
export interface StormRequest {
  readonly executable: string;
  readonly programs: BenchPrograms;
  readonly launch: string;
  /** The name in MOUNTER_HOME of what is called. */
  readonly called: string;
  readonly storms: readonly Storm[];
}

async function makeAll({ executable, programs, launch, called, storms }: StormRequest): Promise<void> {
  const node = await makeStormNode(await namedMounter(executable), programs);
  for (const storm of storms) {
    const report = await makeStorm(storm, launch, `${node.home}/${called}`);
    process.stdout.write(`${JSON.stringify(report)}\n`);
  }
  node.server.close();
}

try {
  await makeAll(JSON.parse(process.argv[2] ?? '') as StormRequest);
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = exitCode.system;
}
