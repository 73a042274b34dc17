import { mkdir, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import minimist from 'minimist';
import { exitCode } from '../../src/exit-codes.ts';
import { requireRoot, runMain, usageError, wholeNumber } from '../command-line.ts';
import { distDirectory } from '../paths.ts';
import { benchDirectory, compileStatic } from './calls/programs.ts';
import { measureInGuest } from './guest.ts';
import type { ReadAheadRequest, ReadSample } from './reads/results.ts';
import { describeSummary, summarize, svgOfSummary } from './reads/summary.ts';

const usage = `usage: npm run bench:reads -- [OPTION]...

Measures reads of a real NFS server in the test VM by the read-ahead that mounter gives a mount, and by mount options,
over a link without delay and over one that netem delays. Needs root, dist/mounter and dist/rootfs.tar.zst.

  --rounds N          how often each is read (default: 5)
  --delays MS,...     round trips of the delayed links; that without is measured as well (default: 2,10)
  --svg FILE          where the plot goes (default: dist/bench/reads.svg)
  --json              print the summary as JSON
  --check             exit with status 2 when the target is not reached
`;

/** What README recommends for links that are far away. */
const tunedKib = 4096;

async function main(argv: readonly string[]): Promise<number> {
  const flags = parseFlags(argv);
  if (flags === undefined) {
    process.stdout.write(usage);
    return exitCode.success;
  }
  requireRoot('npm run bench:reads');
  await mkdir(benchDirectory, { recursive: true });
  await compileStatic(`${import.meta.dirname}/reads/readers.c`);
  const { request, svg } = flags;
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
  process.stdout.write(flags.json ? `${JSON.stringify(summary)}\n` : `\n${describeSummary(summary)}`);
  return flags.check && !summary.isReached ? exitCode.system : exitCode.success;
}

interface Flags {
  readonly request: ReadAheadRequest;
  readonly svg: string;
  readonly json: boolean;
  readonly check: boolean;
}

/** @returns undefined for --help. @throws MounterError (usage) that names the word. */
function parseFlags(argv: readonly string[]): Flags | undefined {
  const unknown: string[] = [];
  const flags = minimist([...argv], {
    boolean: ['json', 'check', 'help'],
    string: ['rounds', 'delays', 'svg'],
    default: { rounds: '5', delays: '2,10', svg: `${distDirectory}/bench/reads.svg` },
    unknown: (word) => unknown.push(word) === 0,
  });
  if (flags.help === true) return undefined;
  if (unknown.length > 0) throw usageError(unknown.join(' '), 'unknown argument');
  const delays = String(flags.delays)
    .split(',')
    .map((text) => wholeNumber('--delays', text, 1000));
  const request = {
    rounds: wholeNumber('--rounds', flags.rounds, 99),
    delaysMs: [0, ...delays],
    readAheadKib: [128, 256, 512, 1024, 2048, 4096, 8192, 16_384],
    requestKib: [64, 256, 1024],
    readers: [1, 8],
    options: ['nconnect=2', 'nconnect=4', 'nconnect=8', 'rsize=65536', 'rsize=262144'],
    optionsReadAheadKib: tunedKib,
  };
  return { request, svg: String(flags.svg), json: flags.json === true, check: flags.check === true };
}

await runMain('bench:reads', main);
