import { copyFile, mkdir } from 'node:fs/promises';
import { execa } from 'execa';
import { exitCode } from '../../src/exit-codes.ts';
import type { BenchPrograms } from '../bench/programs.ts';
import { benchDirectory } from '../bench/programs.ts';
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

/** `install` places the executable in MOUNTER_HOME when it has its name. */
async function namedMounter(executable: string): Promise<string> {
  const directory = `${benchDirectory}/executable`;
  await mkdir(directory, { recursive: true });
  await execa('mount', ['-t', 'tmpfs', '-o', 'mode=0755', 'tmpfs', directory]);
  await copyFile(executable, `${directory}/mounter`);
  return `${directory}/mounter`;
}

try {
  await makeAll(JSON.parse(process.argv[2] ?? '') as StormRequest);
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = exitCode.system;
}
