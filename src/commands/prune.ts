import { existsSync } from 'node:fs';
import { MounterError } from '../errors.ts';
import { exitCode } from '../exit-codes.ts';
import { requireRoot } from '../node/node.ts';
import { defineCommand, told } from './command.ts';

export const prune = defineCommand({
  name: 'prune',
  summary: 'remove versions that nothing needs',
  flags: {
    '--keep N': { text: 'how many stay in any case, the current one included', default: '2' },
    '--dry-run': 'only say what would be removed',
  },
  manual: [
    `Removes versions, except the current one, the previous one, and each from which something runs or in which
    somebody else has mounted something; says why it keeps one.`,
  ],
  examples: ['mounter prune', 'mounter prune --keep 1'],
  changesNode: true,
  run: async (flags, { layout, host, output }) => {
    requireRoot(host, 'removing versions');
    const request = { keep: keptVersions(flags.value('keep')), isDryRun: flags.has('dry-run') };
    if (existsSync(layout.versions)) {
      const { pruneVersions } = await import('../image/versions/prune.ts');
      output.out(told(await pruneVersions(request, { layout, host }), 'nothing to remove'));
    } else {
      output.out('nothing is installed; nothing to do\n');
    }
    return exitCode.success;
  },
});

function keptVersions(text: string): number {
  if (/^[1-9]\d{0,3}$/.test(text)) return Number(text);
  throw new MounterError('is not a number of versions, at least 1: the one in use always stays', {
    subject: `--keep ${text}`,
    status: exitCode.usage,
    hint: 'such as mounter prune --keep 1',
  });
}
