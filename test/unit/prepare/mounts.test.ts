import test from 'ava';
import { containingMount, isSelfBind } from '../../../src/host/mount-tree.ts';
import { type MountEntry, parseMountinfo } from '../../../src/host/mountinfo.ts';
import type { ManifestMount } from '../../../src/manifest/manifest.ts';
import { planHome, planHomeRemoval } from '../../../src/prepare/home-mount.ts';
import { commandOf, type MountAction } from '../../../src/prepare/mount-actions.ts';
import { type MountState, planRootfsMount, stateOf } from '../../../src/prepare/mounts.ts';
import { planShared } from '../../../src/prepare/shared-mount.ts';

/** Lines of mountinfo after a `/` that is shared, or private. */
function mounts(root: 'shared' | 'private', ...lines: readonly string[]): readonly MountEntry[] {
  const first = `1 0 8:1 / / rw,relatime${root === 'shared' ? ' shared:1' : ''} - ext4 /dev/sda rw`;
  return parseMountinfo([first, ...lines].join('\n'));
}

/** The commands, less what all of them have. */
function commands(actions: readonly MountAction[]): readonly string[] {
  return actions.map((action) => commandOf(action).join(' ').replace(' --no-canonicalize', ''));
}

const home = '/home/m';
const kubelet = '/var/lib/kubelet';
const root = `${home}/versions/abc`;
const boundHome = '2 1 8:1 /home/m /home/m rw,relatime - ext4 /dev/sda rw';
const boundKubelet = '3 1 8:1 /var/lib/kubelet /var/lib/kubelet rw,relatime shared:3 - ext4 /dev/sda rw';

const bindHome = ['mount --bind --make-private /home/m /home/m'];
const detachHome = ['mount --make-rslave /home/m', 'umount -l /home/m'];
const detachProc = [`mount --make-rslave ${root}/proc`, `umount -l ${root}/proc`];

/** `mount --bind /home /home`, made noexec. A bind on it is copied to `/`, where it covers the copy. */
const noexecPeer = '2 1 8:1 /home /home rw,nosuid,noexec,relatime shared:1 - ext4 /dev/sda rw';
const boundBelowPeer = [
  '3 2 8:1 /home/m /home/m rw,nosuid,relatime - ext4 /dev/sda rw',
  '4 1 8:1 /home/m /home/m rw,nosuid,noexec,relatime shared:3 - ext4 /dev/sda rw',
];

const homes: readonly (readonly [
  title: string,
  entries: readonly MountEntry[],
  expected: readonly string[],
])[] = [
  ['no mount point', mounts('shared'), bindHome],
  ['bound and private', mounts('shared', boundHome), []],
  [
    'bound but shared, as after a kill',
    mounts('shared', boundHome.replace(' - ', ' shared:1 - ')),
    ['mount --make-private /home/m'],
  ],
  [
    'on a noexec filesystem, whose other flags stay',
    mounts('shared', '2 1 0:9 / /home rw,nosuid,nodev,noexec,noatime shared:2 - tmpfs tmpfs rw'),
    [...bindHome, 'mount -o remount,bind,nosuid,nodev,noatime,exec /home/m'],
  ],
  [
    'a filesystem of its own',
    mounts('shared', '2 1 0:9 / /home/m rw,noexec shared:2 - tmpfs tmpfs rw'),
    ['mount --make-private /home/m', 'mount -o remount,bind,exec /home/m'],
  ],
  [
    'bound twice',
    mounts('shared', boundHome, '5 2 8:1 /home/m /home/m rw,relatime shared:1 - ext4 /dev/sda rw'),
    [...detachHome, ...detachHome, ...bindHome],
  ],
  [
    'mounts in a rootfs from before it was one',
    mounts('shared', `5 1 0:5 / ${root}/proc rw - proc proc rw`),
    [...detachProc, ...bindHome],
  ],
  [
    'the same, covered by a bind since',
    mounts('shared', `5 1 0:5 / ${root}/proc rw - proc proc rw`, boundHome),
    [...detachHome, ...detachProc, ...bindHome],
  ],
  [
    'a disk for the images below it',
    mounts('shared', '5 1 0:9 / /home/m/versions rw - xfs /dev/sdb rw'),
    ['mount --rbind /home/m /home/m', 'mount --make-rprivate /home/m'],
  ],
  [
    'below a noexec bind that is a peer of /: its own bind was copied beneath it',
    mounts('shared', noexecPeer, ...boundBelowPeer),
    [],
  ],
];
for (const [title, entries, expected] of homes) {
  test(`home: ${title}`, (t) => t.deepEqual(commands(planHome(home, entries)), expected));
}

test('removal: our bind goes with what is on it, a filesystem of its own stays', (t) => {
  const inside = `5 2 0:5 / ${root}/proc rw - proc proc rw`;
  t.deepEqual(commands(planHomeRemoval(home, mounts('shared', boundHome, inside))), detachHome);
  const disk = '2 1 0:9 / /home/m rw - tmpfs tmpfs rw';
  t.deepEqual(commands(planHomeRemoval(home, mounts('shared', disk, inside))), detachProc);
  t.deepEqual(planHomeRemoval(home, mounts('shared')), []);
  t.deepEqual(
    commands(planHomeRemoval(home, mounts('shared', noexecPeer, ...boundBelowPeer))),
    detachHome,
    'once: the copy beneath goes with it, and no path leads there',
  );
});

const bindKubelet = [`mount --bind --make-private ${kubelet} ${kubelet}`, `mount --make-shared ${kubelet}`];
const volume = (parent: number, id = 9) => `${id} ${parent} 0:7 / ${kubelet}/v rw shared:7 - nfs4 s:/x rw`;
const inRootfs = (group: number) =>
  `4 2 8:1 ${kubelet} ${root}${kubelet} rw shared:${group} - ext4 /dev/sda rw`;

const privateDisk = `8 3 0:6 / ${kubelet}/pods rw - ext4 /dev/sdb rw`;

const directories: readonly (readonly [
  title: string,
  entries: readonly MountEntry[],
  expected: readonly string[],
])[] = [
  ['no mount point, / shared', mounts('shared'), bindKubelet],
  ['no mount point, / private', mounts('private'), bindKubelet],
  ['shared, in a group of its own', mounts('shared', boundKubelet), []],
  ['the same, with its rootfs', mounts('shared', boundKubelet, boundHome, inRootfs(3)), []],
  ['private', mounts('shared', boundKubelet.replace(' shared:3', '')), [`mount --make-rshared ${kubelet}`]],
  [
    'shared, with a private volume that has another on it',
    mounts(
      'shared',
      boundKubelet,
      volume(3).replace(' shared:7', ''),
      `10 9 0:8 / ${kubelet}/v/w rw - nfs4 s:/y rw`,
    ),
    [`mount --make-rshared ${kubelet}`],
  ],
  [
    'shared, with a private disk for Pods',
    mounts('shared', boundKubelet, privateDisk),
    [`mount --make-rshared ${kubelet}`],
  ],
  [
    'in the group of /',
    mounts('shared', boundKubelet.replace('shared:3', 'shared:1')),
    [`mount --make-private ${kubelet}`, `mount --make-rshared ${kubelet}`],
  ],
  [
    'in the group of /, with a volume',
    mounts('shared', boundKubelet.replace('shared:3', 'shared:1'), volume(3)),
    [],
  ],
  ['no mount point, with a volume', mounts('shared', volume(1)), []],
  ['no mount point, in use by a rootfs', mounts('shared', boundHome, inRootfs(1)), []],
  [
    'doubled, with all volumes on both',
    mounts('shared', boundKubelet, volume(3), boundKubelet.replace('3 1', '6 3'), volume(6, 10)),
    [`mount --make-rslave ${kubelet}`, `umount -l ${kubelet}`],
  ],
  [
    'doubled, with a volume on the upper one alone',
    mounts('shared', boundKubelet, boundKubelet.replace('3 1', '6 3'), volume(6, 10)),
    [],
  ],
];
for (const [title, entries, expected] of directories) {
  test(`kubelet directory: ${title}`, (t) => {
    t.deepEqual(commands(planShared({ host: kubelet, rootfs: kubelet }, entries)), expected);
  });
}

test('kubelet directory in a rootfs: a disk for Pods has to be a peer there, too', (t) => {
  const mount = { ...proc, host: kubelet, rootfs: kubelet, propagation: 'shared' } as const;
  const observed = { mount, source: kubelet, target: `${root}${kubelet}`, isSame: true };
  const disk = (at: string, group: string) =>
    `${privateDisk.replace(kubelet, at).replace(' rw - ', ` rw${group} - `)}`;
  const state = (host: string, rootfs: string) =>
    stateOf(
      observed,
      mounts('shared', boundKubelet, inRootfs(3), disk(kubelet, host), disk(`${root}${kubelet}`, rootfs)),
    );
  t.is(state(' shared:5', ' shared:5'), 'ok');
  t.is(state('', ''), 'wrong');
  t.is(state(' shared:6', ' shared:5'), 'wrong');
});

test('kubelet directory: no mount point, with a volume, / private', (t) => {
  t.throws(() => planShared({ host: kubelet, rootfs: kubelet }, mounts('private', volume(1))), {
    message: /1 mount is below it, and \/, on which some lie, is not shared/,
  });
});

const proc: ManifestMount = {
  host: '/proc',
  rootfs: '/proc',
  type: 'bind',
  access: 'rw',
  propagation: 'private',
  optional: false,
};
const target = `${root}/proc`;
const bindProc = [`mount --bind --make-private /proc ${target}`];
const entry = (options = 'rw', tags = '') => `7 2 0:4 / ${target} ${options}${tags} - proc proc rw`;

const states: readonly (readonly [
  title: string,
  mount: Partial<ManifestMount>,
  isSame: boolean,
  lines: readonly string[],
  state: MountState,
  expected: readonly string[],
])[] = [
  ['nothing there', {}, false, [], 'missing', bindProc],
  ['in place', {}, true, [entry()], 'ok', []],
  ['another directory', {}, false, [entry()], 'wrong', [...detachProc, ...bindProc]],
  ['shared, as after a kill', {}, true, [entry('rw', ' shared:4')], 'wrong', [...detachProc, ...bindProc]],
  ['a slave', {}, true, [entry('rw', ' master:4')], 'wrong', [...detachProc, ...bindProc]],
  ['two layers', {}, true, [entry(), entry()], 'wrong', [...detachProc, ...detachProc, ...bindProc]],
  [
    'rw is to be ro',
    { access: 'ro' },
    true,
    [entry()],
    'wrong',
    [...detachProc, ...bindProc, `mount -o remount,bind,relatime,ro ${target}`],
  ],
  ['ro is ro', { access: 'ro' }, true, [entry('ro')], 'ok', []],
  ['ro is to be rw', {}, true, [entry('ro')], 'wrong', [...detachProc, ...bindProc]],
  ['a slave in place', { propagation: 'slave' }, true, [entry('rw', ' master:1')], 'ok', []],
  [
    'a slave to be',
    { propagation: 'slave' },
    false,
    [],
    'missing',
    [`mount --bind /proc ${target}`, `mount --make-rslave ${target}`],
  ],
  ['a peer of the host', { propagation: 'shared' }, true, [entry('rw', ' shared:1')], 'ok', []],
  [
    'a peer of another',
    { propagation: 'shared' },
    true,
    [entry('rw', ' shared:8')],
    'wrong',
    [...detachProc, `mount --bind /proc ${target}`],
  ],
  [
    'rbind and private',
    { type: 'rbind' },
    false,
    [],
    'missing',
    [`mount --rbind /proc ${target}`, `mount --make-rprivate ${target}`],
  ],
];
for (const [title, changes, isSame, lines, state, expected] of states) {
  test(`rootfs mount: ${title}`, (t) => {
    const observed = { mount: { ...proc, ...changes }, source: '/proc', target, isSame };
    const entries = mounts('shared', ...lines);
    t.is(stateOf(observed, entries), state);
    t.deepEqual(commands(planRootfsMount(observed, entries)), expected);
  });
}

test('rootfs mount: a tmpfs', (t) => {
  const { host: _, ...rest } = proc;
  const observed = { mount: { ...rest, type: 'tmpfs' as const }, source: undefined, target, isSame: false };
  t.deepEqual(commands(planRootfsMount(observed, mounts('shared'))), [
    `mount -t tmpfs -o mode=0755,nosuid,nodev tmpfs ${target}`,
  ]);
  t.is(stateOf(observed, mounts('shared', entry())), 'wrong');
  t.is(stateOf(observed, mounts('shared', `7 2 0:4 / ${target} rw - tmpfs tmpfs rw`)), 'ok');
});

test('rootfs mount: rw on a read-only filesystem of the host is as good as it gets', (t) => {
  const observed = { mount: proc, source: '/proc', target, isSame: true };
  t.is(stateOf(observed, mounts('shared', '8 1 0:4 / /proc ro - proc proc rw', entry('ro'))), 'ok');
});

test('the mount a directory lies on is the longest that holds it, the topmost there', (t) => {
  const entries = mounts(
    'shared',
    '2 1 0:2 / /var rw - a a rw',
    '3 2 0:3 / /var rw - b b rw',
    '4 1 0:4 / /va rw - c c rw',
  );
  t.is(containingMount(entries, '/var/lib').source, 'b');
  t.is(containingMount(entries, '/vari').source, '/dev/sda');
  t.throws(() => containingMount([], '/x'));
  const covered = mounts(
    'shared',
    '2 1 0:2 / /var/lib rw - a a rw',
    '3 2 0:3 / /var/lib/k rw - b b rw',
    '4 1 0:4 / /var rw - c c rw',
  );
  t.is(containingMount(covered, '/var/lib/k').source, 'c', 'what is mounted on a directory above covers it');
});

test('a bind on itself, and what only looks like one', (t) => {
  const is = (line: string, parent = '2 1 8:1 /srv /data rw - ext4 /dev/sda rw') =>
    isSelfBind(mounts('shared', parent, line)[2] as MountEntry, mounts('shared', parent, line));
  t.true(is('5 1 8:1 /a/b /a/b rw - ext4 /dev/sda rw'));
  t.true(is('5 2 8:1 /srv/x /data/x rw - ext4 /dev/sda rw'), 'on a bind of another directory');
  t.true(is('5 2 8:1 /srv /data rw - ext4 /dev/sda rw'), 'on itself once more');
  t.false(is('5 1 8:1 /c/b /a/b rw - ext4 /dev/sda rw'), 'another directory');
  t.false(is('5 1 0:9 / /a/b rw - tmpfs tmpfs rw'), 'a filesystem');
  t.false(is('5 77 8:1 /a/b /a/b rw - ext4 /dev/sda rw'), 'no known parent');
});
