import type { FlagsOf } from '../../src/commands/command.ts';
import { exitCode } from '../../src/exit-codes.ts';
import { kindsHere, ScratchPlace } from '../../test/support/callers/mounting-place.ts';
import { type EnterMode, enterModes } from '../../test/support/node/enter-mode.ts';
import { testProgram } from '../../test/support/programs/test-program.ts';
import { runInVm } from '../../test/support/vm.ts';
import { chosenOf, runMain, wholeNumber } from '../command-line.ts';
import { soakCallers } from './soak/callers.ts';

const inVm = 'real-nfs';
const types = [...kindsHere.map(({ fstype }) => fstype), inVm];

const flags = {
  '--rounds N': { text: 'of each pair', default: '200' },
  '--seed N': { text: 'the same chance again', default: '1' },
  '--enter WAY': `${enterModes.join(' or ')}; both, one after the other, if left out`,
  '--type TYPE': `nfs (of a stand-in), glusterfs, or ${inVm} (v4.2 and v3, in the test VM); all if left out`,
} as const;

async function main(given: FlagsOf<typeof flags>): Promise<number> {
  const rounds = wholeNumber('--rounds', given.value('rounds'), 1_000_000);
  const seed = wholeNumber('--seed', given.value('seed'), 2 ** 31);
  const ways = chosenOf('--enter', given.value('enter'), enterModes);
  const chosen = chosenOf('--type', given.value('type'), types);
  const here = await soakHere(ways, rounds, seed, chosen);
  const inGuest = chosen.includes(inVm) ? await soakInGuest(ways, rounds, seed) : exitCode.success;
  return here === 0 ? inGuest : exitCode.system;
}

/** @returns how many rounds were wrong. */
async function soakHere(
  ways: readonly EnterMode[],
  rounds: number,
  seed: number,
  types: readonly string[],
): Promise<number> {
  let wrong = 0;
  for (const enter of ways) {
    for (const kind of kindsHere.filter(({ fstype }) => types.includes(fstype))) {
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

await runMain({
  name: 'soak:callers',
  flags,
  needsRoot: true,
  manual: [
    `Two calls of mounter mount for one target, in every pair of ends that a call can have: it succeeds, fails, is slow, is
    terminated, is killed; with one source and with two. What is mounted must be what the one that reported success asked
    for, else nothing. Prints what came of each pair. Needs root, dist/mounter and dist/rootfs.tar.zst.`,
  ],
  run: main,
});
