import type { FlagsOf } from '../../src/commands/command.ts';
import { exitCode } from '../../src/exit-codes.ts';
import { playKill } from '../../test/support/callers/kills.ts';
import {
  kindsHere,
  type MountedKind,
  ScratchPlace,
  usedBefore,
} from '../../test/support/callers/mounting-place.ts';
import { Outcomes } from '../../test/support/callers/outcomes.ts';
import { type EnterMode, enterModes } from '../../test/support/node/enter-mode.ts';
import { randomNumbers } from '../../test/support/random.ts';
import { chosenOf, runMain, wholeNumber } from '../command-line.ts';

const types = kindsHere.map(({ fstype }) => fstype);

const flags = {
  '--kills N': { text: 'for each way and type', default: '500' },
  '--seed N': { text: 'the same moments again, nearly', default: '1' },
  '--enter WAY': `${enterModes.join(' or ')}; both, one after the other, if left out`,
  '--type TYPE': 'nfs (of a stand-in) or glusterfs; both if left out',
} as const;

async function main(given: FlagsOf<typeof flags>): Promise<number> {
  const kills = wholeNumber('--kills', given.value('kills'), 1_000_000);
  const seed = wholeNumber('--seed', given.value('seed'), 2 ** 31);
  const ways = chosenOf('--enter', given.value('enter'), enterModes);
  const chosen = chosenOf('--type', given.value('type'), types);
  let wrong = 0;
  for (const enter of ways)
    for (const kind of kindsHere.filter(({ fstype }) => chosen.includes(fstype)))
      wrong += await soakKills(kind, enter, kills, seed);
  return wrong === 0 ? exitCode.success : exitCode.system;
}

/** @returns how many left something. */
async function soakKills(kind: MountedKind, enter: EnterMode, kills: number, seed: number): Promise<number> {
  await using place = await ScratchPlace.start(kind, enter);
  const random = randomNumbers(seed);
  const before = await usedBefore(place);
  const outcomes = new Outcomes();
  let wrong = 0;
  for (let kill = 0; kill < kills; kill += 1) {
    const played = await playKill(place, random, before);
    outcomes.add(played);
    if (played.wrong.length > 0) wrong += 1;
  }
  console.log(`enter: ${enter}, ${kind.fstype}: ${kills} kills, ${wrong} wrong`);
  for (const line of outcomes.lines) console.log(`  ${line}`);
  for (const one of new Set(outcomes.wrong)) console.log(`  wrong: ${one}`);
  return wrong;
}

await runMain({
  name: 'soak:kills',
  flags,
  needsRoot: true,
  manual: [
    `Calls of mounter mount, each killed at a moment by chance. Nothing may be left of it: no helper, no daemon, no mount
    that is not whole, no file; and the next call must succeed. Needs root, dist/mounter and dist/rootfs.tar.zst.`,
  ],
  run: main,
});
