import type { FlagsOf } from '../src/commands/command.ts';
import { exitCode } from '../src/exit-codes.ts';
import { describeFinding, type Finding } from '../test/support/faults/finding.ts';
import { injectFaults, type Subject, subjects } from '../test/support/faults/subjects.ts';
import { type EnterMode, enterModes } from '../test/support/node/enter-mode.ts';
import { randomNumbers } from '../test/support/random.ts';
import { chosenOf, runMain, wholeNumber } from './command-line.ts';
import { ensureInstalled } from './debian.ts';

const flags = {
  '--sample N': { text: 'so many of each, chosen by chance', default: '1000000' },
  '--seed N': { text: 'the same chance again', default: '1' },
  '--enter WAY': `${enterModes.join(' or ')}; both, one after the other, if left out`,
  '--only TEXT': `those with TEXT in their title: ${subjects.map(({ title }) => title).join(', ')}`,
} as const;

async function main(given: FlagsOf<typeof flags>): Promise<number> {
  const maximum = wholeNumber('--sample', given.value('sample'), 1_000_000);
  const seed = wholeNumber('--seed', given.value('seed'), 2 ** 31);
  const ways = chosenOf('--enter', given.value('enter'), enterModes);
  const only = given.value('only') ?? '';
  await ensureInstalled(['strace']);
  let [injected, wrong] = [0, 0];
  for (const enter of ways) {
    for (const subject of subjects.filter(({ title }) => title.includes(only))) {
      const faults = await tryOne(subject, enter, maximum, seed);
      injected += faults.injected;
      wrong += faults.wrong;
    }
  }
  process.stdout.write(`${injected} injected, ${wrong} wrong\n`);
  return wrong === 0 && injected > 0 ? exitCode.success : exitCode.system;
}

async function tryOne(
  subject: Subject,
  enter: EnterMode,
  maximum: number,
  seed: number,
): Promise<{ readonly injected: number; readonly wrong: number }> {
  process.stdout.write(`enter: ${enter}, ${subject.title}\n`);
  const tell = (finding: Finding) => {
    if (finding.wrong.length > 0) process.stdout.write(`  ${describeFinding(finding)}\n`);
  };
  const sample = { random: randomNumbers(seed), maximum };
  const { injected, wrong } = await injectFaults(subject, enter, sample, tell);
  process.stdout.write(`  ${injected} injected, ${wrong.length} wrong\n`);
  return { injected, wrong: wrong.length };
}

await runMain({
  name: 'faults',
  flags,
  needsRoot: true,
  manual: [
    `Every system call of a mount, of prepare, and of what the CSI driver has done, fails once, in each way that its manual
    page names, by strace(1): on nodes made for it in namespaces of their own, with each way into the rootfs. A success must
    have its mount; a failure must say why, and leave no mount, no process and no file. Prints what is wrong, and how many
    were tried. Needs root, dist/mounter and dist/rootfs.tar.zst.`,
  ],
  examples: ["npm run faults -- --enter attach --only 'nfs mounts'"],
  run: main,
});
