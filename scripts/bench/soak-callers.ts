import minimist from 'minimist';
import { exitCode } from '../../src/exit-codes.ts';
import { kindsHere, ScratchPlace } from '../../test/support/callers/mounting-place.ts';
import { type EnterMode, enterModes } from '../../test/support/node/enter-mode.ts';
import { testProgram } from '../../test/support/programs/test-program.ts';
import { runInVm } from '../../test/support/vm.ts';
import { runMain, wholeNumber } from '../command-line.ts';
import { soakCallers } from './soak/callers.ts';

const usage = `usage: npm run soak:callers -- [OPTION]...

Two calls of mounter mount for one target, in every pair of ends that a call can have: it succeeds, fails, is slow, is
terminated, is killed; with one source and with two. What is mounted must be what the one that reported success asked
for, else nothing. Prints what came of each pair. Needs root, dist/mounter and dist/rootfs.tar.zst.

  --rounds N       of each pair (default: 200)
  --seed N         the same chance again (default: 1)
  --enter WAY      ${enterModes.join(' or ')} (default: both, one after the other)
  --type TYPE      nfs (of a stand-in), glusterfs, or real-nfs (v4.2 and v3, in the test VM) (default: all)
`;

async function main(argv: readonly string[]): Promise<number> {
  const flags = minimist([...argv], {
    boolean: ['help'],
    string: ['rounds', 'seed', 'enter', 'type'],
    default: { rounds: '200', seed: '1' },
  });
  if (flags.help === true) {
    process.stdout.write(usage);
    return exitCode.success;
  }
  const rounds = wholeNumber('--rounds', flags.rounds, 1_000_000);
  const seed = wholeNumber('--seed', flags.seed, 2 ** 31);
  const ways = enterModes.filter((way) => flags.enter === undefined || flags.enter === way);
  const isWanted = (type: string) => flags.type === undefined || flags.type === type;
  const here = await soakHere(ways, rounds, seed, isWanted);
  const inGuest = isWanted('real-nfs') ? await soakInGuest(ways, rounds, seed) : exitCode.success;
  return here === 0 ? inGuest : exitCode.system;
}

/** @returns how many rounds were wrong. */
async function soakHere(
  ways: readonly EnterMode[],
  rounds: number,
  seed: number,
  isWanted: (type: string) => boolean,
): Promise<number> {
  let wrong = 0;
  for (const enter of ways) {
    for (const kind of kindsHere.filter(({ fstype }) => isWanted(fstype))) {
      console.log(`enter: ${enter}, ${kind.fstype}`);
      await using place = await ScratchPlace.start(kind, enter);
      wrong += await soakCallers(place, rounds, seed, (line) => console.log(line));
    }
  }
  return wrong;
}

async function soakInGuest(ways: readonly EnterMode[], rounds: number, seed: number): Promise<number> {
  for (const program of ['callers', 'slow-helper']) await testProgram(program);
  const script = 'scripts/bench/soak/callers-in-guest.ts';
  const { status } = await runInVm({
    command: ['node', script, String(rounds), String(seed), ...ways],
    memoryMegabytes: 2048,
    timeoutSeconds: 86_400,
    onOutput: (text) => process.stdout.write(text),
  });
  return status ?? exitCode.system;
}

await runMain('soak:callers', main);
