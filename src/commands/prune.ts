import { existsSync } from 'node:fs';
import { MounterError } from '../errors.ts';
import { exitCode } from '../exit-codes.ts';
import { prune } from '../image/versions/prune.ts';
import { removeUnfinished } from '../image/versions/unfinished.ts';
import { withVersionsLock } from '../image/versions/versions-lock.ts';
import { requireRoot } from '../node/node.ts';
import { withNodeLock } from '../node/node-lock.ts';
import type { CommandContext } from './context.ts';
import { parseFlags } from './flags.ts';

/** The current version and the one to go back to. */
const keptByDefault = 2;

/** `mounter prune` */
export async function pruneCommand(
  argv: readonly string[],
  { layout, host, output }: CommandContext,
): Promise<number> {
  const flags = parseFlags('prune', argv, { boolean: ['dry-run'], string: ['keep'], operands: [0, 0] });
  requireRoot(host, 'removing versions');
  const request = { keep: parseKeep(flags.value('keep')), isDryRun: flags.has('dry-run') };
  if (!existsSync(layout.versions)) {
    output.out('nothing is installed; nothing to do\n');
    return exitCode.success;
  }
  const lines = await withVersionsLock(async () => {
    if (!request.isDryRun) await removeUnfinished(layout, host);
    return await withNodeLock(() => prune(request, { layout, host }));
  });
  output.out(lines.length === 0 ? 'nothing to remove\n' : `${lines.join('\n')}\n`);
  return exitCode.success;
}

function parseKeep(text: string | undefined): number {
  if (text === undefined) return keptByDefault;
  if (/^[1-9]\d{0,3}$/.test(text)) return Number(text);
  throw new MounterError('is not a number of versions, at least 1: the one in use always stays', {
    subject: `--keep ${text}`,
    status: exitCode.usage,
    hint: 'such as mounter prune --keep 1',
  });
}
