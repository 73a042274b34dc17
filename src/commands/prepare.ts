import { exitCode } from '../exit-codes.ts';
import { nothingDoneWhereOff, requireRoot } from '../node/node.ts';
import { defineCommand } from './command.ts';

export const prepare = defineCommand({
  name: 'prepare',
  summary: 'make the node ready for mounts, after each boot; any number of times, same result',
  flags: {},
  manual: [
    `Makes the node ready, after each boot and before kubelet. With "enter": "attach" it makes two mount namespaces
    of the rootfs and pins them: one for mount helpers, one for lock services and mounter exec. With
    "enter": "chroot" it mounts on the host: MOUNTER_HOME privately, the kubelet directory as a shared mount with a
    peer group of its own, and inside the rootfs what its helpers need (mounts.mounter of the settings). Makes the
    kubelet directory where it is missing. Says what it did; a second run does nothing. Where the mounter is turned
    off it does nothing, with status 0.`,
  ],
  examples: ['mounter prepare'],
  changesNode: true,
  run: async (_, { host, layout, output }) => {
    requireRoot(host, 'preparing the node');
    const nothingDone = await nothingDoneWhereOff(host, layout);
    if (nothingDone === undefined) {
      const { describePreparation, prepareNode } = await import('../prepare/prepare-node.ts');
      output.out(describePreparation(await prepareNode({ host, layout })));
    } else {
      // No failure: units and DaemonSets that prepare every node leave this one alone.
      output.out(`${nothingDone}\n`);
    }
    return exitCode.success;
  },
});
