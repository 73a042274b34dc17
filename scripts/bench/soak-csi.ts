import { exitCode } from '../../src/exit-codes.ts';
import { killDriver } from '../../test/support/csi/kills.ts';
import { runMain, wholeNumber } from '../command-line.ts';

async function main(kills: number, seed: number): Promise<number> {
  const { outcomes, written } = await killDriver(kills, seed);
  console.log(`${kills} kills, seed ${seed}; lines that the Pod has written: ${written}`);
  for (const line of outcomes.lines) console.log(`  ${line}`);
  for (const one of outcomes.wrong) console.log(`  wrong: ${one}`);
  return outcomes.wrong.length === 0 ? exitCode.success : exitCode.system;
}

await runMain({
  name: 'soak:csi',
  flags: {
    '--kills N': { text: 'a multiple of 4', default: '100' },
    '--seed N': { text: 'the same moments again, nearly', default: '1' },
  },
  needsRoot: true,
  manual: [
    `The CSI driver is killed at moments by chance of stage, publish, unpublish and unstage, it alone or all that is in its
    control group, while a Pod writes to another volume. The same call again has to end as it should; nothing may be lost or
    left. Needs root, dist/mounter and dist/rootfs.tar.zst.`,
  ],
  run: (flags) =>
    main(
      wholeNumber('--kills', flags.value('kills'), 1_000_000),
      wholeNumber('--seed', flags.value('seed'), 2 ** 31),
    ),
});
