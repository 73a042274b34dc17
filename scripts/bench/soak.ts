import { resolve } from 'node:path';
import minimist from 'minimist';
import { exitCode } from '../../src/exit-codes.ts';
import { enterModes } from '../../test/support/node/enter-mode.ts';
import { runMain } from '../command-line.ts';
import { mounterExecutable } from '../paths.ts';
import { describeSoak, soakFaults } from './soak/report.ts';
import { runSoak } from './soak/run.ts';

const usage = `usage: npm run soak -- [OPTION]...

Mounts and unmounts volumes, two at a time, while \`mounter prepare\` runs again and again and a GlusterFS volume
stays mounted, in namespaces of its own; then looks at what is left, and what has grown. Needs root, dist/mounter
and dist/rootfs.tar.zst.

  --cycles N       (default: 2000)
  --seconds N      end after so long, whatever is done (default: no limit)
  --enter WAY      chroot or attach (default: both, one after the other)
  --mounter FILE   this executable (default: dist/mounter)
`;

async function main(argv: readonly string[]): Promise<number> {
  const flags = minimist([...argv], {
    boolean: ['help'],
    string: ['cycles', 'seconds', 'enter', 'mounter'],
    default: { cycles: '2000', seconds: '86400', mounter: mounterExecutable },
  });
  if (flags.help === true) {
    process.stdout.write(usage);
    return exitCode.success;
  }
  const ways = enterModes.filter((way) => flags.enter === undefined || flags.enter === way);
  let status: number = exitCode.success;
  for (const enter of ways) {
    const report = await runSoak({
      executable: resolve(flags.mounter),
      enter,
      cycles: Number(flags.cycles),
      seconds: Number(flags.seconds),
    });
    process.stdout.write(`enter: ${enter}\n${describeSoak(report)}`);
    for (const fault of soakFaults(report)) {
      process.stderr.write(`soak: ${enter}: ${fault}\n`);
      status = exitCode.system;
    }
  }
  return status;
}

await runMain('soak', main);
