import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import { repository } from '../../scripts/paths.ts';
import { attacks } from '../support/callers/race.ts';
import { type GlusterServer, startGlusterServer } from '../support/gluster/gluster-server.ts';
import { rounds } from '../support/long-run.ts';
import { enterModes } from '../support/node/enter-mode.ts';
import { kubeletDirectory, mounterHome, ScratchNode, shared } from '../support/node/namespace.ts';

const calls = rounds(6, 30);
const pods = `${kubeletDirectory}/pods`;
/** As a container in an emptyDir of its own, and as root on the host, who can move every directory. */
const places = [`${pods}/attacker/volumes/kubernetes.io~empty-dir/cache`, `${pods}/attacker/cache`];
const victim = `${kubeletDirectory}/pods/victim/volumes/kubernetes.io~nfs`;

const cases = enterModes.flatMap((enter) =>
  places.flatMap((place, index) => {
    const { target, attacks: all } = attacks(place, pods);
    // With chroot root can lead a mount into another Pod's directory: what remains, see src/mount/steps/chroot/undo.ts.
    const hasRemains = enter === 'chroot' && index === 1;
    const chosen = hasRemains ? all.filter(({ title }) => !title.includes('another Pod')) : all;
    return chosen.map((attack) => ({ ...attack, enter, who: index === 0 ? 'container' : 'root', target }));
  }),
);
for (const { enter, who, target, title, pairs, setUp } of cases) {
  test.serial(
    `${enter}, ${who}, GlusterFS, during swaps of ${title}: mounted as asked, or nowhere else`,
    async (t) => {
      t.timeout(600_000);
      await using server = await startServer();
      await using node = await ScratchNode.prepared({ enterNetwork: server.enter, enter });
      const exchange = join(node.sharedDirectory, 'exchange');
      execFileSync('gcc', ['-O2', '-o', exchange, `${repository}/test/support/programs/exchange.c`]);
      await node.shell(`${setUp}; echo canary | tee /etc/canary ${mounterHome}/rootfs/etc/canary`);
      const others = otherMounts(node);
      const outcomes: Record<string, number> = {};
      await node.shell(`${shared}/exchange ${pairs.join(' ')} >/dev/null 2>&1 &`);
      for (let round = 0; round < calls; round += 1) {
        const argv = ['mount', '-t', 'glusterfs', server.source, target];
        const { status, stderr } = await node.run([`${mounterHome}/mounter`, ...argv]);
        // Only while the outcome is looked at.
        await node.shell('kill -STOP $(pidof exchange)');
        const outcome = status === 0 ? 'mounted' : stderr.replace(/^mounter: \S+: /, '').split(/[\n:]/)[0];
        outcomes[outcome ?? ''] = (outcomes[outcome ?? ''] ?? 0) + 1;
        const points = node.mountinfo().filter(({ source }) => source === server.source);
        // With chroot the way may have been changed back before it could be undone.
        if (status === 0 || who === 'container' || enter === 'attach')
          t.is(points.length, status === 0 ? node.entriesPerVolume : 0, stderr);
        for (const { mountPoint } of points) t.regex(mountPoint, /\/pods\/attacker\/cache\//);
        if (status !== 0) t.regex(stderr, /^mounter: \/var\/lib\/kubelet/);
        t.deepEqual(otherMounts(node), others, 'nothing else is mounted, and nothing unmounted');
        await cleanUp(t, node, points[0]?.mountPoint);
        await node.shell('kill -CONT $(pidof exchange)');
      }
      await node.shell('kill -KILL $(pidof exchange)');
      t.log(outcomes);
      t.is(await node.shell(`cat /etc/canary ${mounterHome}/rootfs/etc/canary`), 'canary\ncanary\n');
      t.deepEqual(readdirSync(node.path(`${victim}/etc`)), []);
    },
  );
}

async function startServer(): Promise<GlusterServer & AsyncDisposable & { readonly source: string }> {
  const server = await startGlusterServer({ volumes: ['v1'] });
  return Object.assign(server, { source: `${server.address}:v1` });
}

function otherMounts(node: ScratchNode): readonly string[] {
  return node
    .mountinfo()
    .filter(({ mountPoint }) => !mountPoint.includes('/pods/attacker/'))
    .map(({ mountId, mountPoint }) => `${mountId} ${mountPoint}`);
}

/** Unmounts where it was mounted; where it was not, no daemon may be left. */
async function cleanUp(
  t: ExecutionContext,
  node: ScratchNode,
  mountPoint: string | undefined,
): Promise<void> {
  if (mountPoint !== undefined) await node.shell(`umount ${mountPoint}`);
  const deadline = Date.now() + 60_000;
  while (node.processesOf('glusterfs').length > 0 && Date.now() < deadline) await setTimeout(20);
  t.deepEqual(node.processesOf('glusterfs'), [], 'no daemon is left');
}
