import type { FlagsOf } from '../../src/commands/command.ts';
import { exitCode } from '../../src/exit-codes.ts';
import { enterModes } from '../../test/support/node/enter-mode.ts';
import { chosenOf, runMain, wholeNumber } from '../command-line.ts';
import type { NfsBenchRequest } from './nfs/results.ts';
import { measureInVm } from './nfs/run.ts';
import { describeSummary } from './nfs/show.ts';
import { summarize } from './nfs/summary.ts';
import { faultsOf } from './storm/show.ts';

const flags = {
  '--rounds N': { text: 'how often each way to mount NFSv4.2 is measured', default: '30' },
  '--first-mounts N': { text: 'how often the first NFSv3 mount is', default: '10' },
  '--storms N': { text: 'how often the mounts at once are compared', default: '3' },
  '--calls N': { text: 'so many at once, to each of the two servers', default: '40' },
  '--enter WAY': `${enterModes.join(' or ')}; both, in turn, if left out`,
  '--json': 'print the summary as JSON',
  '--check': 'exit with status 2 when a target is not reached',
} as const;

async function main(given: FlagsOf<typeof flags>): Promise<number> {
  const number = (name: 'rounds' | 'first-mounts' | 'storms' | 'calls') =>
    wholeNumber(`--${name}`, given.value(name), 999);
  const request: NfsBenchRequest = {
    rounds: number('rounds'),
    firstMounts: number('first-mounts'),
    storms: number('storms'),
    calls: number('calls'),
    enter: chosenOf('--enter', given.value('enter'), enterModes),
  };
  const results = await measureInVm(request, (line) => process.stderr.write(`${line}\n`));
  const summary = summarize(results);
  process.stdout.write(
    given.has('json') ? `${JSON.stringify(summary, undefined, 2)}\n` : `\n${describeSummary(summary)}`,
  );
  const faults = results.storms.flatMap(faultsOf);
  for (const fault of faults) process.stderr.write(`bench:nfs: ${fault}\n`);
  const isMissed = given.has('check') && summary.targets.some(({ isReached }) => !isReached);
  return faults.length > 0 || isMissed ? exitCode.system : exitCode.success;
}

await runMain({
  name: 'bench:nfs',
  flags,
  needsRoot: true,
  manual: [
    `Measures mounts of a real NFS server with the real mount.nfs, in the test VM: an NFSv4.2 mount by mounter and by chroot
    ROOTFS mount, which is the original mounter's way; the first NFSv3 mount with locks on a node where nothing runs; and
    many NFSv4.2 mounts at once, alone and beside as many of a server that is silent. Needs root, dist/mounter and
    dist/rootfs.tar.zst.`,
  ],
  run: main,
});
