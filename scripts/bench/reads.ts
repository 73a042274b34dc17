import { mkdir, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { FlagsOf } from '../../src/commands/command.ts';
import { exitCode } from '../../src/exit-codes.ts';
import { runMain, wholeNumber } from '../command-line.ts';
import { benchDirectory, compileStatic } from './calls/programs.ts';
import { measureInGuest } from './guest.ts';
import type { ReadAheadRequest, ReadSample } from './reads/results.ts';
import { describeSummary, summarize, svgOfSummary } from './reads/summary.ts';

const flags = {
  '--rounds N': { text: 'how often each is read', default: '5' },
  '--delays MS,...': {
    text: 'round trips of the delayed links; that without is measured as well',
    default: '2,10',
  },
  '--svg FILE': { text: 'where the plot goes', default: 'dist/bench/reads.svg' },
  '--json': 'print the summary as JSON',
  '--check': 'exit with status 2 when the target is not reached',
} as const;

/** What docs/performance-nfs.md recommends, and for links that are far away. */
const [tunedKib, farKib] = [1024, 4096];

async function main(given: FlagsOf<typeof flags>): Promise<number> {
  const request = requestOf(given);
  const svg = given.value('svg');
  await mkdir(benchDirectory, { recursive: true });
  await compileStatic(`${import.meta.dirname}/reads/readers.c`);
  const readings = request.readAheadKib.length * request.requestKib.length + request.options.length;
  const timeoutSeconds = 300 + 20 * request.rounds * request.delaysMs.length * readings;
  const script = 'scripts/bench/reads/inside.ts';
  const { samples } = await measureInGuest<{ readonly samples: readonly ReadSample[] }>(
    script,
    request,
    timeoutSeconds,
    (line) => process.stderr.write(`${line}\n`),
  );
  const summary = summarize(samples, request.rounds, tunedKib);
  await mkdir(dirname(svg), { recursive: true });
  await writeFile(svg, svgOfSummary(summary));
  process.stdout.write(given.has('json') ? `${JSON.stringify(summary)}\n` : `\n${describeSummary(summary)}`);
  return given.has('check') && !summary.isReached ? exitCode.system : exitCode.success;
}

/** @throws MounterError (usage) that names the flag. */
function requestOf(given: FlagsOf<typeof flags>): ReadAheadRequest {
  const delays = given
    .value('delays')
    .split(',')
    .map((text) => wholeNumber('--delays', text, 1000));
  return {
    rounds: wholeNumber('--rounds', given.value('rounds'), 99),
    delaysMs: [0, ...delays],
    readAheadKib: [128, 256, 512, 1024, 2048, 4096, 8192, 16_384],
    requestKib: [64, 256, 1024],
    readers: [1, 8],
    options: ['nconnect=2', 'nconnect=4', 'nconnect=8', 'rsize=65536', 'rsize=262144'],
    optionsReadAheadKib: farKib,
  };
}

await runMain({
  name: 'bench:reads',
  flags,
  needsRoot: true,
  manual: [
    `Measures reads of a real NFS server in the test VM by the read-ahead that mounter gives a mount, and by mount options,
    over a link without delay and over one that netem delays. Needs root, dist/mounter and dist/rootfs.tar.zst.`,
  ],
  examples: ['npm run bench:reads -- --rounds 3 --delays 10'],
  run: main,
});
