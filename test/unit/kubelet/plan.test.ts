import test from 'ava';
import { type MountEntry, parseMountinfo } from '../../../src/host/mountinfo.ts';
import { planKubeletRoot, type RootState } from '../../../src/kubelet/plan.ts';
import type { ManifestMount } from '../../../src/rootfs/manifest.ts';
import { commandOf } from '../../../src/rootfs/mount-actions.ts';
import type { ObservedMount } from '../../../src/rootfs/mounts.ts';

const root = '/opt/kubelet';
const kubelet = '/var/lib/kubelet';
const versions = '/home/m/versions';

const node = [
  '1 0 8:1 / / rw,relatime shared:1 - ext4 /dev/sda rw',
  '2 1 0:5 / /run rw shared:2 - tmpfs tmpfs rw',
  `3 1 8:1 ${kubelet} ${kubelet} rw,relatime shared:3 - ext4 /dev/sda rw`,
];
const boundRoot = `10 1 8:1 ${root} ${root} rw,relatime unbindable - ext4 /dev/sda rw`;
const inRoot = [
  boundRoot,
  `11 10 8:1 ${kubelet} ${root}${kubelet} rw,relatime shared:3 - ext4 /dev/sda rw`,
  `12 10 0:5 / ${root}/run rw master:2 - tmpfs tmpfs rw`,
];

function observed(host: string, changes: Partial<ManifestMount>, isSame: boolean, at = host): ObservedMount {
  const mount: ManifestMount = {
    host,
    rootfs: at,
    type: 'rbind',
    access: 'rw',
    propagation: 'slave',
    optional: false,
    ...changes,
  };
  return { mount, source: host, target: root + at, isSame };
}

function state(isSame: boolean, more: Partial<RootState> = {}): RootState {
  return {
    root,
    shared: { host: kubelet, rootfs: kubelet },
    observed: [observed(kubelet, { propagation: 'shared' }, isSame), observed('/run', {}, isSame)],
    earlier: [],
    versions,
    ...more,
  };
}

function commands(plan: RootState, lines: readonly string[]): readonly string[] {
  const entries: readonly MountEntry[] = parseMountinfo(lines.join('\n'));
  return planKubeletRoot(plan, entries).map((action) =>
    commandOf(action).join(' ').replace(' --no-canonicalize', ''),
  );
}

const layRoot = [`mount --bind --make-private ${root} ${root}`, `mount --make-unbindable ${root}`];
const layKubelet = [`mount --rbind ${kubelet} ${root}${kubelet}`];
const layRun = [`mount --rbind /run ${root}/run`, `mount --make-rslave ${root}/run`];
const detach = (path: string) => [`mount --make-rslave ${path}`, `umount -l ${path}`];

test('a fresh node: the image as a mount of its own, then what is in it', (t) => {
  t.deepEqual(commands(state(false), node), [...layRoot, ...layKubelet, ...layRun]);
});

test('a restart has nothing to do', (t) => {
  t.deepEqual(commands(state(true), [...node, ...inRoot]), []);
});

test('volumes change nothing', (t) => {
  const volume = (id: number, parent: number, at: string) =>
    `${id} ${parent} 0:9 / ${at}${kubelet}/pods/v rw shared:9 - nfs4 s:/e rw`;
  t.deepEqual(commands(state(true), [...node, ...inRoot, volume(20, 3, ''), volume(21, 11, root)]), []);
});

test('killed after the bind: it becomes unbindable before anything is mounted in it', (t) => {
  const joined = boundRoot.replace('unbindable', 'shared:1');
  t.deepEqual(commands(state(false), [...node, joined]), [
    `mount --make-unbindable ${root}`,
    ...layKubelet,
    ...layRun,
  ]);
});

test('noexec becomes exec, other flags stay', (t) => {
  const disk = `9 1 0:8 / ${root} rw,nosuid,noexec,relatime shared:8 - ext4 /dev/sdb rw`;
  const lay = [...layRoot, `mount -o remount,bind,nosuid,relatime,exec ${root}`];
  t.deepEqual(commands(state(false), [...node, disk]), [...lay, ...layKubelet, ...layRun]);
});

test('what was mounted in the image before is hidden, and does not count', (t) => {
  const hidden = `9 1 0:5 / ${root}/run rw master:2 - tmpfs tmpfs rw`;
  t.deepEqual(commands(state(false), [...node, hidden]), [...layRoot, ...layKubelet, ...layRun]);
  t.deepEqual(commands(state(true), [...node, hidden, ...inRoot]), []);
});

test('a root that was bound over once more is taken away, and only that at first', (t) => {
  const again = boundRoot.replace('10 1', '30 10').replace('unbindable - ', '- ');
  t.deepEqual(commands(state(true), [...node, ...inRoot, again]), [
    ...detach(root),
    ...detach(root),
    ...layRoot,
  ]);
});

test('a kubelet directory that was doubled is undone before anything else is looked at', (t) => {
  const doubled = `31 3 8:1 ${kubelet} ${kubelet} rw,relatime shared:3 - ext4 /dev/sda rw`;
  const copy = `32 11 8:1 ${kubelet} ${root}${kubelet} rw,relatime shared:3 - ext4 /dev/sda rw`;
  t.deepEqual(commands(state(true), [...node, ...inRoot, doubled, copy]), detach(kubelet));
});

test('what is no longer wanted goes; what others have mounted in the root stays', (t) => {
  const old = `33 10 0:7 / ${root}/old rw - tmpfs old rw`;
  const others = `34 10 0:6 / ${root}/others rw - tmpfs others rw`;
  const earlier = [`${root}/old`, `${root}/run`, `${root}/never-mounted`];
  t.deepEqual(commands(state(true, { earlier }), [...node, ...inRoot, old, others]), detach(`${root}/old`));
});

test("copies of the mounter's versions under the host's / are taken away, each tree once", (t) => {
  const hostRoot = observed('/', {}, true, '/host');
  const plan = state(true, { observed: [...state(true).observed, hostRoot] });
  const copies = [
    `40 10 8:1 / ${root}/host rw,relatime master:1 - ext4 /dev/sda rw`,
    `41 40 8:1 ${kubelet} ${root}/host${versions}/a${kubelet} rw master:3 - ext4 /dev/sda rw`,
    `42 41 0:9 / ${root}/host${versions}/a${kubelet}/pods/v rw master:9 - nfs4 s:/e rw`,
    `43 40 0:4 / ${root}/host${versions}/a/proc rw - proc proc rw`,
  ];
  t.deepEqual(commands(plan, [...node, ...inRoot, ...copies]), [
    ...detach(`${root}/host${versions}/a/proc`),
    ...detach(`${root}/host${versions}/a${kubelet}`),
  ]);
});

test('a host whose / is private offers no shared view of it', (t) => {
  const hostRoot = observed('/', { propagation: 'shared' }, false, '/host');
  const plan = state(true, { observed: [...state(true).observed, hostRoot] });
  const lines = [...node, ...inRoot].map((line) => line.replace(' shared:1 ', ' '));
  t.throws(() => commands(plan, lines), { message: /is not shared on this host/ });
});

test('on a host where /run is private, its bind is private too and stays', (t) => {
  const lines = [...node, ...inRoot].map((line) => line.replace(/ (shared|master):2 /, ' '));
  t.deepEqual(commands(state(true), lines), []);
});
