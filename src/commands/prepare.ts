import { realpathSync } from 'node:fs';
import { exitCode } from '../exit-codes.ts';
import { nothingDoneWhereOff, readManifest, requireRoot } from '../node/node.ts';
import { withNodeLock } from '../node/node-lock.ts';
import { prepareVersionInUse } from '../prepare/version-in-use.ts';
import { requireRootfs } from '../rootfs/entrance.ts';
import type { CommandContext } from './context.ts';
import { parseFlags } from './flags.ts';

/** `mounter prepare` */
export async function prepare(argv: readonly string[], context: CommandContext): Promise<number> {
  const { layout, host, output } = context;
  parseFlags('prepare', argv, { boolean: [], string: [], operands: [0, 0] });
  requireRoot(host, 'preparing the node');
  const nothingDone = await nothingDoneWhereOff(host, layout);
  if (nothingDone === undefined) return await prepareNode(context);
  // No failure: units and DaemonSets that prepare every node leave this one alone.
  output.out(`${nothingDone}\n`);
  return exitCode.success;
}

/** @throws MounterError that names what cannot be made ready. */
export async function prepareNode({ layout, host, output }: CommandContext): Promise<number> {
  const manifest = await readManifest(host, layout);
  requireRootfs(host, layout);
  const done = await withNodeLock(async () => {
    const root = realpathSync(layout.rootfs);
    const context = { host, layout, manifest };
    return prepareVersionInUse(root, context);
  });
  output.out(done.length === 0 ? 'prepared already; nothing to do\n' : `${done.join('\n')}\nprepared\n`);
  return exitCode.success;
}
