import { existsSync } from 'node:fs';
import { formatError, MounterError } from '../errors.ts';
import { exitCode } from '../exit-codes.ts';
import type { Manifest } from '../manifest/manifest.ts';
import { readManifest, requireRoot } from '../node/node.ts';
import { type CommandContext, defineCommand, told } from './command.ts';

export const teardown = defineCommand({
  name: 'teardown',
  summary: 'undo prepare; refuses while volumes are mounted',
  flags: {
    '--unmount-volumes': 'unmount the volumes first',
    '--keep-kubelet':
      'where a kubelet runs in an image, leave it at work, as it is. Without, that is refused',
  },
  manual: [
    `Undoes prepare: ends what runs inside the rootfs (rpcbind, rpc.statd, rpc.gssd, rpc.idmapd, tlshd, glusterfs), and takes its
    mounts away. Refuses while volumes are mounted, unless it may unmount them. Files stay. Where the manifest is
    broken, it goes by the one that this mounter was built with. Where MOUNTER_HOME was removed first, it takes away
    the mount namespaces that are left.`,
    `Exit status 2, when all else is done, where a volume is mounted in MOUNTER_HOME, or the kubelet directory, as the original
    mounter leaves it until a reboot: who removes MOUNTER_HOME then empties that too.`,
  ],
  examples: ['mounter teardown', 'mounter teardown --unmount-volumes'],
  changesNode: true,
  run: async (flags, context) => {
    const { layout, host, output } = context;
    requireRoot(host, 'undoing the preparation');
    const { withNodeLock } = await import('../node/lock.ts');
    if (!existsSync(layout.home)) {
      const { removeAllPins } = await import('../prepare/namespace/pins.ts');
      const removed = await withNodeLock(() => removeAllPins(layout, host));
      output.out(told(removed, 'nothing is installed; nothing to do'));
      return exitCode.success;
    }
    const { refuseToBeRemoved, teardown } = await import('../prepare/teardown.ts');
    const [unmountVolumes, keepKubelets] = [flags.has('unmount-volumes'), flags.has('keep-kubelet')];
    const done: string[] = [];
    const manifest = await withNodeLock(async () => {
      const manifest = await manifestOrOurs(context);
      await teardown({ host, layout, manifest, unmountVolumes, keepKubelets }, done);
      return manifest;
    }).catch((error) => {
      if (done.length > 0) output.out(told(done, ''));
      throw error;
    });
    output.out(told(done, 'not prepared; nothing to do'));
    // A kubelet that stays needs MOUNTER_HOME: nobody removes it then.
    if (!keepKubelets) refuseToBeRemoved({ host, layout, manifest });
    return exitCode.success;
  },
});

/** What was prepared is to be undone on a node whose manifest is broken or gone, too. */
async function manifestOrOurs({ host, layout, output }: CommandContext): Promise<Manifest> {
  try {
    return await readManifest(host, layout);
  } catch (error) {
    if (!(error instanceof MounterError)) throw error;
    output.err(formatError(error));
    return (await import('../manifest/shipped.ts')).shippedManifest();
  }
}
