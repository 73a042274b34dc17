import { existsSync } from 'node:fs';
import { exitCode } from '../exit-codes.ts';
import { requireRoot } from '../node/node.ts';
import { defineCommand, type FlagTable, told } from './command.ts';

/** The flags of both `disable` and `enable`. */
export const switchFlags = {
  '--fleet': { text: 'for the DaemonSet, which leaves alone what was done by hand', isInternal: true },
} as const satisfies FlagTable;

export const disable = defineCommand({
  name: 'disable',
  summary: "turn the mounter off on this node: a call is the host's own mount(8) then",
  flags: switchFlags,
  manual: [
    `Turns the mounter off on this node: a call is then the host's own mount(8), with the same arguments, and mount(8)
    has no helper of ours any more. Volumes that are mounted stay. It works where the manifest or the rootfs is broken
    or gone, and waits for nothing. An install or a roll back leaves it off; so does the DaemonSet.`,
  ],
  examples: ['mounter disable', 'mounter enable'],
  changesNode: true,
  run: async (flags, { layout, host, output }) => {
    requireRoot(host, 'turning the mounter off');
    const { turnOff } = await import('../prepare/turn-off.ts');
    const isThere = existsSync(layout.home);
    const done = isThere ? turnOff(layout, flags.has('fleet')) : [];
    output.out(
      told(done, isThere ? 'turned off already; nothing to do' : 'nothing is installed here; nothing to do'),
    );
    return exitCode.success;
  },
});
