import minimist from 'minimist';
import { exitCode } from '../src/exit-codes.ts';
import { describeFinding, type Finding } from '../test/support/faults/finding.ts';
import { injectFaults, type Subject, subjects } from '../test/support/faults/subjects.ts';
import { type EnterMode, enterModes } from '../test/support/node/enter-mode.ts';
import { randomNumbers } from '../test/support/random.ts';
import { runMain, wholeNumber } from './command-line.ts';
import { ensureInstalled } from './debian.ts';

const usage = `usage: npm run faults -- [OPTION]...

Every system call of a mount, of prepare, and of what the CSI driver has done, fails once, in each way that its manual page names, by strace(1): on
nodes made for it in namespaces of their own, with each way into the rootfs. A success must have its mount; a failure
must say why, and leave no mount, no process and no file. Prints what is wrong, and how many were tried. Needs root,
dist/mounter and dist/rootfs.tar.zst.

  --sample N       so many of each, chosen by chance (default: all)
  --seed N         the same chance again (default: 1)
  --enter WAY      ${enterModes.join(' or ')} (default: both, one after the other)
  --only TEXT      those with TEXT in their title: ${subjects.map(({ title }) => title).join(', ')}
`;

async function main(argv: readonly string[]): Promise<number> {
  const flags = minimist([...argv], {
    boolean: ['help'],
    string: ['sample', 'seed', 'enter', 'only'],
    default: { sample: '1000000', seed: '1', only: '' },
  });
  if (flags.help === true) {
    process.stdout.write(usage);
    return exitCode.success;
  }
  const maximum = wholeNumber('--sample', flags.sample, 1_000_000);
  const seed = wholeNumber('--seed', flags.seed, 2 ** 31);
  const ways = enterModes.filter((way) => flags.enter === undefined || flags.enter === way);
  await ensureInstalled(['strace']);
  let [injected, wrong] = [0, 0];
  for (const enter of ways) {
    for (const subject of subjects.filter(({ title }) => title.includes(flags.only))) {
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

await runMain('faults', main);
