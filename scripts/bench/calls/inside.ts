import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { execa } from 'execa';
import { exitCode } from '../../../src/exit-codes.ts';
import { parseSample, type Sample, type Series, type Setup, subjects } from '../report/samples.ts';
import { commandsOf, type MeasuredCommand } from './commands.ts';
import { instructionsOf } from './instructions.ts';
import { mountTable } from './mount-table.ts';
import { makeNaiveNode } from './naive.ts';
import { inPrivateNamespace } from './namespace.ts';
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
 * The part of the benchmark that runs in mount namespaces of its own: `inside.ts REQUEST`, a BenchRequest in JSON. Prints
 * one line of JSON for each setup and number of volumes: a Series. With `HOLD` behind it, it makes the node of the one
 * setup, prints that, a BenchNode, and holds it until its stdin ends.
 */
export interface BenchRequest {
  /** Measured in turn, in the same rounds: what slows the machine down slows down all of them. */
  readonly setups: readonly Setup[];
  readonly executable: string;
  readonly programs: BenchPrograms;
  /** The front, built to count its instructions; undefined where it was not. */
  readonly countedFront: string | undefined;
  /** Ascending. */
  readonly volumes: readonly number[];
  readonly rounds: number;
}

/** Measured, and left out: the first runs read files that later ones find in memory. */
const warmUpRounds = 3;

/** A command, and where it runs. */
interface Placed extends MeasuredCommand {
  readonly setup: Setup;
  readonly node: BenchNode;
}

async function measureAll(request: BenchRequest): Promise<void> {
  const { setups, programs, countedFront, volumes } = request;
  const nodes: (readonly [Setup, BenchNode])[] = [];
  await using holders = new AsyncDisposableStack();
  for (const setup of setups) nodes.push([setup, await heldNode({ ...request, setups: [setup] }, holders)]);
  const commands = nodes
    .flatMap(([setup, node]) =>
      commandsOf(setup, node, programs).map((command): Placed => ({ ...command, setup, node })),
    )
    .sort((a, b) => subjects.indexOf(a.subject) - subjects.indexOf(b.subject));
  let mounted = 0;
  for (const count of volumes) {
    // Where fs.mount-max is reached, no more are measured.
    for (const [, node] of nodes) if (!(await fillVolumes(node, programs, mounted, count))) return;
    mounted = count;
    const samplesOf = await measure(commands, request);
    for (const [setup, node] of nodes) {
      const instructions =
        countedFront !== undefined && (setup === 'chroot' || setup === 'attach')
          ? await instructionsOf(countedFront, node)
          : undefined;
      const table = mountTable(node.pid);
      const series: Series = { setup, volumes: count, ...table, instructions, samples: samplesOf(setup) };
      process.stdout.write(`${JSON.stringify(series)}\n`);
    }
  }
}

/** Made by a process of its own, which ends with us or with `holders`, and the namespace with it. */
async function heldNode(request: BenchRequest, holders: AsyncDisposableStack): Promise<BenchNode> {
  const [program, ...args] = inPrivateNamespace([
    process.execPath,
    import.meta.filename,
    JSON.stringify(request),
    'HOLD',
  ]);
  const holder = execa(program, args, { stdin: 'pipe', reject: false });
  holders.defer(async () => {
    holder.stdin.end();
    await holder;
  });
  const [line] = await Promise.race([once(holder.stdout, 'data'), holder.then(({ stderr }) => [stderr])]);
  return JSON.parse(String(line));
}

async function hold(request: BenchRequest): Promise<void> {
  process.stdout.write(JSON.stringify(await nodeOf(request)));
  await once(process.stdin.resume(), 'end');
}

async function nodeOf({ setups: [setup = 'bare'], executable, programs }: BenchRequest): Promise<BenchNode> {
  switch (setup) {
    case 'chroot':
    case 'attach': {
      const node = await makeNode([await namedMounter(executable)], programs, setup);
      await placeOnDisk(node.home);
      // On a busy machine a call would ask after its server, and that would be counted.
      const settings = { enter: setup, limits: { probeAfterSeconds: 60 } };
      await writeFile(`${node.home}/node-settings.json`, JSON.stringify(settings));
      return node;
    }
    case 'naive':
      return makeNaiveNode(programs);
    case 'bare':
      await coverDirectories();
      return { pid: process.pid, home: '', rootfs: '', target: await makeTarget() };
    default:
      return setup satisfies never;
  }
}

async function measure(
  commands: readonly Placed[],
  { programs, rounds }: BenchRequest,
): Promise<(setup: Setup) => readonly Sample[]> {
  const words = commands.flatMap(({ how = '', argv, node }) => [
    '--in',
    `/proc/${node.pid}/ns/mnt`,
    `--${how}`,
    ...argv,
  ]);
  const target = commands[0]?.node.target ?? '';
  const { stdout } = await execa(programs.measure, [String(warmUpRounds + rounds), target, ...words]);
  const measured = commands.map(({ subject }) => subject);
  const lines = stdout.split('\n');
  return (setup) =>
    lines
      .filter((line) => commands[JSON.parse(line).command]?.setup === setup)
      .map((line) => parseSample(line, measured))
      .filter(({ round }) => round >= warmUpRounds);
}

if (import.meta.main) {
  try {
    const request: BenchRequest = JSON.parse(process.argv[2] ?? '');
    await (process.argv[3] === 'HOLD' ? hold(request) : measureAll(request));
  } catch (error) {
    // The command that failed, and its own words, as the caller shows them.
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = exitCode.system;
  }
}
