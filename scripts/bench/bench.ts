import { mkdir, rename, stat, writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { execa } from 'execa';
import { MounterError } from '../../src/errors.ts';
import { exitCode } from '../../src/exit-codes.ts';
import { chosenOf, runMain, runScript, usageError, wholeNumber } from '../command-line.ts';
import { ensureInstalled } from '../debian.ts';
import { buildFront } from '../front.ts';
import { distDirectory, mounterExecutable } from '../paths.ts';
import { withProgress } from '../progress.ts';
import type { BenchRequest } from './calls/inside.ts';
import { inPrivateNamespace } from './calls/namespace.ts';
import { benchDirectory, compilePrograms } from './calls/programs.ts';
import { svgOf } from './report/chart.ts';
import { chartsOf } from './report/charts.ts';
import { measuredTogether, type Series, type Setup, setups } from './report/samples.ts';
import { describeSummary } from './report/show.ts';
import { type Summary, summarize } from './report/summary.ts';

interface Flags {
  readonly rounds: number;
  readonly volumes: readonly number[];
  readonly setups: readonly Setup[];
  readonly mounter: string | undefined;
  readonly json: boolean;
  readonly check: boolean;
}

async function main(flags: Flags): Promise<number> {
  const executable = await findExecutable(flags.mounter);
  const programs = await compilePrograms();
  // Of another executable, the sources are not known.
  const countedFront = flags.mounter === undefined ? await buildCountedFront() : undefined;
  const { rounds, volumes } = flags;
  const series: Series[] = [];
  const together = flags.setups.filter((setup) => measuredTogether.includes(setup));
  const alone = flags.setups.filter((setup) => !measuredTogether.includes(setup)).map((setup) => [setup]);
  for (const setups of [together, ...alone])
    series.push(
      ...(await withProgress(`measuring ${setups.join(' and ')}, usually minutes`, () =>
        measureInside({ setups, executable, programs, countedFront, rounds, volumes }),
      )),
    );
  const summary = summarize(rounds, series);
  await writeSummary(summary);
  process.stdout.write(flags.json ? jsonOf(summary) : describeSummary(summary));
  return flags.check && summary.targets.some(({ isReached }) => !isReached)
    ? exitCode.system
    : exitCode.success;
}

/** Scripts' words go to stderr: stdout is for the figures. What is measured is what the sources say now; the rootfs is built only where its inputs changed. */
async function findExecutable(given: string | undefined): Promise<string> {
  if (given === undefined) await runScript('build.ts', [], process.stderr);
  else if (!(await stat(given).catch(() => undefined))?.isFile())
    throw usageError(given, 'there is no such file', 'name a built mounter, such as dist/mounter');
  await runScript('rootfs.ts', ['--allow-newer'], process.stderr);
  return given ?? mounterExecutable;
}

async function buildCountedFront(): Promise<string> {
  await ensureInstalled(['valgrind']);
  const front = `${benchDirectory}/front`;
  await buildFront(undefined, front, true);
  return front;
}

async function measureInside(request: BenchRequest): Promise<readonly Series[]> {
  const inside = [process.execPath, `${import.meta.dirname}/calls/inside.ts`, JSON.stringify(request)];
  const [program, ...args] = inPrivateNamespace(inside);
  const { stdout, failed, stderr } = await execa(program, args, { stdin: 'ignore', reject: false });
  if (failed) {
    throw new MounterError('the measurement broke off', {
      status: exitCode.system,
      helperOutput: stderr,
      hint: 'where mount namespaces are not allowed (some containers), run it on a machine or in a VM',
    });
  }
  return stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Series);
}

async function writeSummary(summary: Summary): Promise<void> {
  const directory = `${distDirectory}/bench`;
  await mkdir(directory, { recursive: true });
  await writeFile(`${directory}/bench.json.new`, jsonOf(summary));
  await rename(`${directory}/bench.json.new`, `${directory}/bench.json`);
  for (const [name, chart] of Object.entries(chartsOf(summary)))
    await writeFile(`${directory}/${name}.svg`, svgOf(chart));
}

function jsonOf(summary: Summary): string {
  return `${JSON.stringify(summary, undefined, 2)}\n`;
}

await runMain({
  name: 'bench',
  flags: {
    '--rounds N': { text: 'how often each is run', default: '30' },
    '--volumes N,N,…': { text: 'with so many volumes mounted', default: '10,100,1000,10000' },
    '--setups NAME,…': `of ${setups.join(', ')}; all if left out`,
    '--mounter FILE': "measure this executable, and don't build",
    '--json': 'print the summary as JSON',
    '--check': 'exit with status 2 when a target is not reached',
  },
  needsRoot: true,
  manual: [
    `Measures what one mount costs, in time and, with valgrind, in instructions: the bare helper in the rootfs, chroot ROOTFS
    mount, and mounter mount, warm and read from disk, each a whole process with a helper that does one mount(2), on nodes
    made for it in mount namespaces of their own: one for each way into the rootfs, one without any, and one that makes its
    binds again and again. And mounter prepare with nothing to do, status and doctor, beside true. Builds dist/mounter and
    dist/rootfs.tar.zst first. Needs root. Writes dist/bench/bench.json and dist/bench/*.svg.`,
  ],
  examples: ['npm run bench -- --rounds 10 --volumes 10 --setups chroot,attach'],
  run: (flags) => {
    const volumes = flags.value('volumes').split(',');
    const mounter = flags.value('mounter');
    return main({
      rounds: wholeNumber('--rounds', flags.value('rounds'), 99_999),
      volumes: [...new Set(volumes.map((text) => wholeNumber('--volumes', text, 99_999)))].sort(
        (a, b) => a - b,
      ),
      setups: chosenOf('--setups', flags.value('setups'), setups),
      mounter: mounter === undefined ? undefined : resolve(mounter),
      json: flags.has('json'),
      check: flags.has('check'),
    });
  },
});
