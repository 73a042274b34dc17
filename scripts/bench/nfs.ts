import minimist from 'minimist';
import { exitCode } from '../../src/exit-codes.ts';
import { enterModes } from '../../test/support/node/enter-mode.ts';
import { requireRoot, runMain, usageError, wholeNumber } from '../command-line.ts';
import type { NfsBenchRequest } from './nfs/results.ts';
import { measureInVm } from './nfs/run.ts';
import { describeSummary } from './nfs/show.ts';
import { summarize } from './nfs/summary.ts';
import { faultsOf } from './storm/show.ts';

const usage = `usage: npm run bench:nfs -- [OPTION]...

Measures mounts of a real NFS server with the real mount.nfs, in the test VM: an NFSv4.2 mount by mounter and by
chroot ROOTFS mount, which is the original mounter's way; the first NFSv3 mount with locks on a node where nothing
runs; and many NFSv4.2 mounts at once, alone and beside as many of a server that is silent. Needs root, dist/mounter
and dist/rootfs.tar.zst.

  --rounds N          how often each way to mount NFSv4.2 is measured (default: 30)
  --first-mounts N    how often the first NFSv3 mount is (default: 10)
  --storms N          how often the mounts at once are compared (default: 3)
  --calls N           so many at once, to each of the two servers (default: 40)
  --enter WAY         chroot or attach (default: both, in turn)
  --json              print the summary as JSON
  --check             exit with status 2 when a target is not reached
`;

interface Flags {
  readonly request: NfsBenchRequest;
  readonly json: boolean;
  readonly check: boolean;
}

async function main(argv: readonly string[]): Promise<number> {
  const flags = parseFlags(argv);
  if (flags === undefined) {
    process.stdout.write(usage);
    return exitCode.success;
  }
  requireRoot('npm run bench:nfs');
  const results = await measureInVm(flags.request, (line) => process.stderr.write(`${line}\n`));
  const summary = summarize(results);
  process.stdout.write(
    flags.json ? `${JSON.stringify(summary, undefined, 2)}\n` : `\n${describeSummary(summary)}`,
  );
  const faults = results.storms.flatMap(faultsOf);
  for (const fault of faults) process.stderr.write(`bench:nfs: ${fault}\n`);
  const isMissed = flags.check && summary.targets.some(({ isReached }) => !isReached);
  return faults.length > 0 || isMissed ? exitCode.system : exitCode.success;
}

/** @returns undefined for --help. @throws MounterError (usage) that names the word. */
function parseFlags(argv: readonly string[]): Flags | undefined {
  const unknown: string[] = [];
  const flags = minimist([...argv], {
    boolean: ['json', 'check', 'help'],
    string: ['rounds', 'first-mounts', 'storms', 'calls', 'enter'],
    default: { rounds: '30', 'first-mounts': '10', storms: '3', calls: '40' },
    unknown: (word) => unknown.push(word) === 0,
  });
  if (flags.help === true) return undefined;
  if (unknown.length > 0) throw usageError(unknown.join(' '), 'unknown argument');
  const enter = enterModes.filter((mode) => flags.enter === undefined || flags.enter === mode);
  if (enter.length === 0) throw usageError('--enter', `must be ${enterModes.join(' or ')}`);
  const request = {
    rounds: wholeNumber('--rounds', flags.rounds, 999),
    firstMounts: wholeNumber('--first-mounts', flags['first-mounts'], 999),
    storms: wholeNumber('--storms', flags.storms, 999),
    calls: wholeNumber('--calls', flags.calls, 999),
    enter,
  };
  return { request, json: flags.json === true, check: flags.check === true };
}

await runMain('bench:nfs', main);
