import { copyFile, mkdir } from 'node:fs/promises';
import { execa } from 'execa';
import { exitCode } from '../../src/exit-codes.ts';
import { type BenchNode, fillVolumes, makeNode } from './node.ts';
import { type BenchPrograms, benchDirectory } from './programs.ts';
import { parseSample, type Sample, type Series, subjects } from './samples.ts';

/**
 * The part of the benchmark that runs in a mount namespace of its own: `inside.ts REQUEST`, a BenchRequest in
 * JSON. Prints one line of JSON for each number of volumes: a Series.
 */
export interface BenchRequest {
  readonly executable: string;
  readonly programs: BenchPrograms;
  /** Ascending. */
  readonly volumes: readonly number[];
  readonly rounds: number;
}

/** Measured, and left out: the first runs read files that later ones find in memory. */
const warmUpRounds = 3;

async function measureAll(request: BenchRequest): Promise<void> {
  const node = await makeNode([await namedMounter(request.executable)], request.programs);
  let mounted = 0;
  for (const volumes of request.volumes) {
    await fillVolumes(request.programs, mounted, volumes);
    mounted = volumes;
    const series: Series = { volumes, samples: await measure(node, request) };
    process.stdout.write(`${JSON.stringify(series)}\n`);
  }
}

/** `install` places the executable in MOUNTER_HOME when it has its name; one to compare with may have another. */
async function namedMounter(executable: string): Promise<string> {
  const directory = `${benchDirectory}/executable`;
  await mkdir(directory, { recursive: true });
  await execa('mount', ['-t', 'tmpfs', '-o', 'mode=0755', 'tmpfs', directory]);
  await copyFile(executable, `${directory}/mounter`);
  return `${directory}/mounter`;
}

async function measure(node: BenchNode, { programs, rounds }: BenchRequest): Promise<readonly Sample[]> {
  const commands = commandsOf(node);
  const words = subjects.flatMap((subject) => ['--', ...commands[subject]]);
  const { stdout } = await execa(programs.measure, [String(warmUpRounds + rounds), node.target, ...words]);
  return stdout
    .split('\n')
    .map(parseSample)
    .filter(({ round }) => round >= warmUpRounds);
}

function commandsOf({ home, rootfs, target }: BenchNode): {
  readonly [Name in (typeof subjects)[number]]: readonly string[];
} {
  const source = '10.0.0.5:/exports/bench';
  const chroot = ['/usr/sbin/chroot', rootfs];
  return {
    helper: [...chroot, '/sbin/mount.nfs', source, target, '-o', 'vers=4'],
    chroot: [...chroot, 'mount', '-t', 'nfs', '-o', 'vers=4', source, target],
    mounter: [`${home}/mounter`, 'mount', '-t', 'nfs', '-o', 'vers=4', source, target],
  };
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
