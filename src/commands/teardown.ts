import { existsSync } from 'node:fs';
import { exitCode } from '../exit-codes.ts';
import { removeAbandonedPins } from '../rootfs/namespace/pins.ts';
import { readManifest, requireRoot } from '../rootfs/node.ts';
import { withNodeLock } from '../rootfs/node-lock.ts';
import { teardown } from '../rootfs/teardown.ts';
import type { CommandContext } from './context.ts';
import { parseFlags } from './flags.ts';

/** `mounter teardown` */
export async function teardownCommand(
  argv: readonly string[],
  { layout, host, output }: CommandContext,
): Promise<number> {
  const flags = parseFlags('teardown', argv, { boolean: ['unmount-volumes'], string: [], operands: [0, 0] });
  requireRoot(host, 'undoing the preparation');
  if (!existsSync(layout.home)) {
    const done = await withNodeLock(() => removeAbandonedPins(host));
    output.out(done.length === 0 ? 'nothing is installed; nothing to do\n' : `${done.join('\n')}\n`);
    return exitCode.success;
  }
  const manifest = await readManifest(host, layout);
  const unmountVolumes = flags.has('unmount-volumes');
  const done = await withNodeLock(() => teardown({ host, layout, manifest, unmountVolumes }));
  output.out(done.length === 0 ? 'not prepared; nothing to do\n' : `${done.join('\n')}\n`);
  return exitCode.success;
}
