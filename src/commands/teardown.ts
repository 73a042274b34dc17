import { existsSync } from 'node:fs';
import { formatError, MounterError } from '../errors.ts';
import { exitCode } from '../exit-codes.ts';
import type { Host } from '../host/host.ts';
import type { Manifest } from '../manifest/manifest.ts';
import type { Layout } from '../node/layout.ts';
import { readManifest, requireRoot } from '../node/node.ts';
import { withNodeLock } from '../node/node-lock.ts';
import { removeAbandonedPins } from '../prepare/namespace/pins.ts';
import { teardown } from '../prepare/teardown.ts';
import type { CommandContext } from './context.ts';
import { parseFlags } from './flags.ts';
import type { Output } from './output.ts';

/** What was prepared is to be undone on a node whose manifest is broken or gone, too. */
async function manifestOrOurs(host: Host, layout: Layout, output: Output): Promise<Manifest> {
  try {
    return await readManifest(host, layout);
  } catch (error) {
    if (!(error instanceof MounterError)) throw error;
    output.err(formatError(error));
    return (await import('../manifest/shipped.ts')).shippedManifest();
  }
}

/** `mounter teardown` */
export async function teardownCommand(
  argv: readonly string[],
  { layout, host, output }: CommandContext,
): Promise<number> {
  const flags = parseFlags('teardown', argv, {
    boolean: ['unmount-volumes', 'keep-kubelet'],
    string: [],
    operands: [0, 0],
  });
  requireRoot(host, 'undoing the preparation');
  if (!existsSync(layout.home)) {
    const done = await withNodeLock(() => removeAbandonedPins(host));
    output.out(done.length === 0 ? 'nothing is installed; nothing to do\n' : `${done.join('\n')}\n`);
    return exitCode.success;
  }
  const manifest = await manifestOrOurs(host, layout, output);
  const [unmountVolumes, keepKubelets] = [flags.has('unmount-volumes'), flags.has('keep-kubelet')];
  const done = await withNodeLock(() => teardown({ host, layout, manifest, unmountVolumes, keepKubelets }));
  output.out(done.length === 0 ? 'not prepared; nothing to do\n' : `${done.join('\n')}\n`);
  return exitCode.success;
}
