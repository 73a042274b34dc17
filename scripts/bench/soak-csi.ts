import minimist from 'minimist';
import { exitCode } from '../../src/exit-codes.ts';
import { killDriver } from '../../test/support/csi/kills.ts';
import { runMain, wholeNumber } from '../command-line.ts';

const usage = `usage: npm run soak:csi -- [OPTION]...

The CSI driver is killed at moments by chance of stage, publish, unpublish and unstage, it alone or all that is in its
control group, while a Pod writes to another volume. The same call again has to end as it should; nothing may be lost
or left. Needs root, dist/mounter and dist/rootfs.tar.zst.

  --kills N     a multiple of 4 (default: 100)
  --seed N      the same moments again, nearly (default: 1)
`;

async function main(argv: readonly string[]): Promise<number> {
  const flags = minimist([...argv], {
    boolean: ['help'],
    string: ['kills', 'seed'],
    default: { kills: '100', seed: '1' },
  });
  if (flags.help === true) {
    process.stdout.write(usage);
    return exitCode.success;
  }
  const kills = wholeNumber('--kills', flags.kills, 1_000_000);
  const seed = wholeNumber('--seed', flags.seed, 2 ** 31);
  const { outcomes, written } = await killDriver(kills, seed);
  console.log(`${kills} kills, seed ${seed}; lines that the Pod has written: ${written}`);
  for (const line of outcomes.lines) console.log(`  ${line}`);
  for (const one of outcomes.wrong) console.log(`  wrong: ${one}`);
  return outcomes.wrong.length === 0 ? exitCode.success : exitCode.system;
}

await runMain('soak:csi', main);
