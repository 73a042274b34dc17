import { execa } from 'execa';
import { exitCode } from '../../../src/exit-codes.ts';
import { parseSample, type Sample, type Series, type Setup } from '../report/samples.ts';
import { commandsOf, type MeasuredCommand } from './commands.ts';
import { instructionsOf } from './instructions.ts';
import { mountTable } from './mount-table.ts';
import { makeNaiveNode } from './naive.ts';
import {
  type BenchNode,
  coverDirectories,
  fillVolumes,
  makeNode,
  makeTarget,
  namedMounter,
  placeOnDisk,
} from './node.ts';
import type { BenchPrograms } from './programs.ts';

/**
 * The part of the benchmark that runs in a mount namespace of its own: `inside.ts REQUEST`, a BenchRequest in
 * JSON. Prints one line of JSON for each number of volumes: a Series.
 */
export interface BenchRequest {
  readonly setup: Setup;
  readonly executable: string;
  readonly programs: BenchPrograms;
  /** The front with the names of its functions, to count its instructions; undefined where it was not built. */
  readonly namedFront: string | undefined;
  /** Ascending. */
  readonly volumes: readonly number[];
  readonly rounds: number;
}

/** Measured, and left out: the first runs read files that later ones find in memory. */
const warmUpRounds = 3;

async function measureAll(request: BenchRequest): Promise<void> {
  const { setup, programs, namedFront, volumes } = request;
  const node = await nodeOf(request);
  const commands = commandsOf(setup, node, programs);
  let mounted = 0;
  for (const count of volumes) {
    if (!(await fillVolumes(programs, mounted, count))) return; // fs.mount-max is reached.
    mounted = count;
    const samples = await measure(commands, request);
    const instructions =
      namedFront !== undefined && (setup === 'chroot' || setup === 'attach')
        ? await instructionsOf(namedFront, setup, node)
        : undefined;
    const series: Series = { setup, volumes: count, ...mountTable(), instructions, samples };
    process.stdout.write(`${JSON.stringify(series)}\n`);
  }
}

async function nodeOf({ setup, executable, programs }: BenchRequest): Promise<BenchNode> {
  switch (setup) {
    case 'chroot':
    case 'attach': {
      const node = await makeNode([await namedMounter(executable)], programs, setup);
      await placeOnDisk(node.home);
      return node;
    }
    case 'naive':
      return makeNaiveNode(programs);
    case 'bare':
      await coverDirectories();
      return { home: '', rootfs: '', target: await makeTarget() };
    default:
      return setup satisfies never;
  }
}

async function measure(
  commands: readonly MeasuredCommand[],
  { programs, rounds }: BenchRequest,
): Promise<readonly Sample[]> {
  const target = await makeTarget();
  const words = commands.flatMap(({ how = '', argv }) => [`--${how}`, ...argv]);
  const { stdout } = await execa(programs.measure, [String(warmUpRounds + rounds), target, ...words]);
  const measured = commands.map(({ subject }) => subject);
  return stdout
    .split('\n')
    .map((line) => parseSample(line, measured))
    .filter(({ round }) => round >= warmUpRounds);
}

if (import.meta.main) {
  try {
    await measureAll(JSON.parse(process.argv[2] ?? '') as BenchRequest);
  } catch (error) {
    // The command that failed, and its own words, as the caller shows them.
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = exitCode.system;
  }
}
