import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { setTimeout } from 'node:timers/promises';
import test from 'ava';
import { execa } from 'execa';
import { attacks } from '../support/callers/race.ts';
import { readMountsFrom } from '../support/guest/mountinfo.ts';
import { entriesPerVolume, home, kubeletDirectory, mountNfs } from '../support/guest/node.ts';
import { vmNode } from '../support/guest/vm-node.ts';

const { server } = vmNode(test);

const rounds = 8;
const pods = `${kubeletDirectory}/pods`;
/** As a container in an emptyDir of its own, and as root on the host, who can move every directory. */
const places = [`${pods}/attacker/volumes/kubernetes.io~empty-dir/cache`, `${pods}/attacker/cache`];

const cases = places.flatMap((place, index) => {
  const { target, attacks: all } = attacks(place, pods);
  // Root can lead a mount into another Pod's directory: what remains, see src/mount/steps/chroot/undo.ts.
  const chosen = index === 0 ? all : all.filter(({ title }) => !title.includes('another Pod'));
  return chosen.map((attack) => ({ ...attack, who: index === 0 ? 'container' : 'root', target }));
});
for (const { who, target, title, pairs, setUp } of cases) {
  test.serial(`${who}, NFS, during swaps of ${title}: mounted as asked, or nowhere else`, async (t) => {
    t.timeout(170_000);
    await execa('sh', ['-euc', setUp]);
    for (const path of ['/etc/canary', `${home}/rootfs/etc/canary`]) await writeFile(path, 'canary');
    const source = `${server.address}:/srv/vol1`;
    const others = await otherMounts();
    const outcomes: Record<string, number> = {};
    const attacker = spawn(process.execPath, ['/host/test/support/programs/exchange.ts', ...pairs], {
      stdio: 'ignore',
    });
    // Whatever happens: a process that is stopped keeps the test's own from ending.
    t.teardown(() => attacker.kill('SIGKILL'));
    for (let round = 0; round < rounds; round += 1) {
      const { status, output } = await mountNfs(source, target, 'vers=4.2');
      attacker.kill('SIGSTOP');
      while (!(await isStopped(attacker.pid))) await setTimeout(5);
      const outcome = status === 0 ? 'mounted' : output.replace(/^mounter: \S+: /, '').split(/[\n:]/)[0];
      outcomes[outcome ?? ''] = (outcomes[outcome ?? ''] ?? 0) + 1;
      const points = (await readMountsFrom('/')).filter((entry) => entry.source === source);
      if (status === 0 || who === 'container')
        t.is(points.length, status === 0 ? entriesPerVolume : 0, output);
      for (const { mountPoint } of points) t.regex(mountPoint, /\/pods\/attacker\/cache\//);
      if (status !== 0) t.regex(output, /^mounter: \/var\/lib\/kubelet/);
      t.deepEqual(await otherMounts(), others, 'nothing else is mounted, and nothing unmounted');
      if (points[0] !== undefined) await execa('umount', [points[0].mountPoint]);
      attacker.kill('SIGCONT');
    }
    t.is(attacker.exitCode, null, 'attacked to the end');
    const ended = once(attacker, 'exit');
    attacker.kill('SIGKILL');
    await ended;
    t.log(outcomes);
    for (const path of ['/etc/canary', `${home}/rootfs/etc/canary`])
      t.is(await readFile(path, 'utf8'), 'canary');
    t.deepEqual(await readdir(`${kubeletDirectory}/pods/victim/volumes/kubernetes.io~nfs/etc`), []);
  });
}

/** proc(5). A rename(2) that it has begun ends before it is. */
async function isStopped(pid: number | undefined): Promise<boolean> {
  return / T /.test(await readFile(`/proc/${pid}/stat`, 'utf8'));
}

async function otherMounts(): Promise<readonly string[]> {
  return (await readMountsFrom('/'))
    .filter(({ mountPoint }) => !mountPoint.includes('/pods/attacker/'))
    .map(({ mountId, mountPoint }) => `${mountId} ${mountPoint}`);
}
