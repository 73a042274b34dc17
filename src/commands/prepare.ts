import { realpathSync } from 'node:fs';
import { MounterError } from '../errors.ts';
import { exitCode } from '../exit-codes.ts';
import { withFileLock } from '../host/file-lock.ts';
import { runDirectory } from '../rootfs/layout.ts';
import { readManifest, requireRoot } from '../rootfs/node.ts';
import { prepareRootfs } from '../rootfs/prepare.ts';
import { parseFlags } from './flags.ts';
import { helpFor } from './help.ts';
import type { CommandContext } from './table.ts';

/** install, prepare and teardown exclude one another. */
export const nodeLock = `${runDirectory}/node.lock`;
/** Longer than any of them takes. */
export const nodeLockSeconds = 60;

/** `mounter prepare` */
export async function prepare(
  argv: readonly string[],
  { layout, host, output }: CommandContext,
): Promise<number> {
  const flags = parseFlags('prepare', argv, { boolean: [], string: [], operands: [0, 0] });
  if (flags.help) {
    output.out(helpFor('prepare'));
    return exitCode.success;
  }
  requireRoot(host, 'preparing the node');
  const manifest = await readManifest(host, layout);
  if (host.stat(layout.rootfs)?.kind !== 'directory') {
    throw new MounterError('no rootfs is installed', {
      subject: layout.rootfs,
      status: exitCode.system,
      hint: 'run mounter install FILE first',
    });
  }
  const done = await withFileLock(nodeLock, nodeLockSeconds, () =>
    prepareRootfs(realpathSync(layout.rootfs), { host, layout, manifest }),
  );
  output.out(done.length === 0 ? 'prepared already; nothing to do\n' : `${done.join('\n')}\nprepared\n`);
  return exitCode.success;
}
