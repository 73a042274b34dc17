import { resolve } from 'node:path';
import type { FlagsOf } from '../../src/commands/command.ts';
import { exitCode } from '../../src/exit-codes.ts';
import { enterModes } from '../../test/support/node/enter-mode.ts';
import { chosenOf, runMain, wholeNumber } from '../command-line.ts';
import { mounterExecutable } from '../paths.ts';
import { describeSoak, soakFaults } from './soak/report.ts';
import { runSoak } from './soak/run.ts';

const flags = {
  '--cycles N': { text: 'so many', default: '2000' },
  '--seconds N': { text: 'end after so long, whatever is done', default: '86400' },
  '--enter WAY': `${enterModes.join(' or ')}; both, one after the other, if left out`,
  '--mounter FILE': 'this executable, instead of dist/mounter',
} as const;

async function main(given: FlagsOf<typeof flags>): Promise<number> {
  const ways = chosenOf('--enter', given.value('enter'), enterModes);
  const cycles = wholeNumber('--cycles', given.value('cycles'), 1_000_000);
  const seconds = wholeNumber('--seconds', given.value('seconds'), 1_000_000);
  let status: number = exitCode.success;
  for (const enter of ways) {
    const report = await runSoak({
      executable: resolve(given.value('mounter') ?? mounterExecutable),
      enter,
      cycles,
      seconds,
    });
    process.stdout.write(`enter: ${enter}\n${describeSoak(report)}`);
    for (const fault of soakFaults(report)) {
      process.stderr.write(`soak: ${enter}: ${fault}\n`);
      status = exitCode.system;
    }
  }
  return status;
}

await runMain({
  name: 'soak',
  flags,
  needsRoot: true,
  manual: [
    `Mounts and unmounts volumes, two at a time, while mounter prepare runs again and again and a GlusterFS volume stays
    mounted, in namespaces of its own; then looks at what is left, and what has grown. Needs root, dist/mounter and
    dist/rootfs.tar.zst.`,
  ],
  run: main,
});
