import { exitCode } from '../exit-codes.ts';
import { requireRoot } from '../node/node.ts';
import { defineCommand } from './command.ts';
import { switchFlags } from './disable.ts';

export const enable = defineCommand({
  name: 'enable',
  summary: 'turn it on again, when the node is prepared',
  flags: switchFlags,
  manual: [
    `Takes back what mounter disable did: prepares the node, and turns the mounter on when that is done. The helpers of
    mount(8) that it took away come back.`,
  ],
  examples: ['mounter enable'],
  changesNode: true,
  run: async (flags, { layout, host, output }) => {
    requireRoot(host, 'turning the mounter on');
    const { turnOn } = await import('../prepare/turn-on.ts');
    await turnOn({ layout, host }, flags.has('fleet'), output.out);
    return exitCode.success;
  },
});
