import test from 'ava';
import fc from 'fast-check';
import { parseMountinfo } from '../../../src/host/mountinfo.ts';
import { planKubeletRoot } from '../../../src/kubelet/plan.ts';
import type { ManifestMount } from '../../../src/rootfs/manifest.ts';
import type { MountAction } from '../../../src/rootfs/mount-actions.ts';
import { MountTable } from '../../fixtures/mount-table.ts';

/** The plan on whichever node, carried out in a model, killed at whichever moment. */

const root = '/opt/kubelet';
const kubelet = '/var/lib/kubelet';
const versions = '/home/m/versions';

const kubeletStates = {
  none: [],
  own: [`3 1 8:1 ${kubelet} ${kubelet} rw shared:3 - ext4 a rw`],
  private: [`3 1 8:1 ${kubelet} ${kubelet} rw - ext4 a rw`],
  disk: [`3 1 8:2 / ${kubelet} rw shared:3 - ext4 b rw`],
  volumes: [
    `3 1 8:1 ${kubelet} ${kubelet} rw shared:3 - ext4 a rw`,
    `4 3 0:9 / ${kubelet}/pods/v rw shared:9 - nfs4 s:/e rw`,
  ],
} as const;

const nodes = fc.record({
  isRootShared: fc.boolean(),
  isRunShared: fc.boolean(),
  isNoexec: fc.boolean(),
  isPrepared: fc.boolean(),
  kubeletState: fc.constantFrom(...(Object.keys(kubeletStates) as (keyof typeof kubeletStates)[])),
  hostRoot: fc.constantFrom(undefined, 'slave', 'shared'),
});
type Node = typeof nodes extends fc.Arbitrary<infer N> ? N : never;

function tableOf(node: Node): MountTable {
  const shared = (isShared: boolean, group: number) => (isShared ? ` shared:${group}` : '');
  const lines = [
    `1 0 8:1 / / rw,relatime${shared(node.isRootShared, 1)} - ext4 a rw`,
    `2 1 0:5 / /run rw${shared(node.isRunShared, 2)} - tmpfs tmpfs rw`,
    `5 2 0:6 / /run/user rw${shared(node.isRunShared, 5)} - tmpfs tmpfs rw`,
    ...kubeletStates[node.kubeletState],
    ...(node.isNoexec ? ['6 1 8:7 / /opt rw,nosuid,noexec - ext4 c rw'] : []),
  ];
  const home = ['7 1 8:1 /home/m /home/m rw - ext4 a rw', `8 7 0:4 / ${versions}/a/proc rw - proc proc rw`];
  return new MountTable(parseMountinfo([...lines, ...(node.isPrepared ? home : [])].join('\n')));
}

function mountsOf({ hostRoot }: Node): readonly (ManifestMount & { readonly host: string })[] {
  const mount = { type: 'rbind', access: 'rw', optional: false } as const;
  const last =
    hostRoot === undefined ? [] : [{ ...mount, host: '/', rootfs: '/host', propagation: hostRoot }];
  return [
    { ...mount, host: kubelet, rootfs: kubelet, propagation: 'shared' },
    { ...mount, host: '/run', rootfs: '/run', propagation: 'slave' },
    {
      ...mount,
      host: '/etc/hosts',
      rootfs: '/etc/hosts',
      type: 'bind',
      access: 'ro',
      propagation: 'private',
    },
    ...last,
  ];
}

function planFor(node: Node, table: MountTable): readonly MountAction[] {
  const observed = mountsOf(node).map((mount) => {
    const target = root + mount.rootfs;
    return {
      mount,
      source: mount.host,
      target,
      isSame: table.directory(mount.host) === table.directory(target),
    };
  });
  const shared = { host: kubelet, rootfs: kubelet };
  return planKubeletRoot({ root, shared, observed, earlier: [], versions }, table.entries);
}

/** @returns how many rounds had something to do. */
function lay(node: Node, table: MountTable): number {
  for (let round = 0; round < 5; round += 1) {
    const actions = planFor(node, table);
    if (actions.length === 0) return round;
    for (const action of actions) table.apply(action);
  }
  throw new Error(`unsettled: ${JSON.stringify(planFor(node, table))}`);
}

const isPossible = ({ hostRoot, isRootShared }: Node) => hostRoot !== 'shared' || isRootShared;

test('two rounds are enough, and what was there before is there afterwards', (t) => {
  fc.assert(
    fc.property(nodes.filter(isPossible), (node) => {
      const table = tableOf(node);
      const before = table.entries.map(({ mountPoint }) => mountPoint);
      t.true(lay(node, table) <= 2);
      const after = table.entries.map(({ mountPoint }) => mountPoint);
      t.true(before.every((mountPoint) => after.includes(mountPoint)));
      t.is(table.directory(`${root}${kubelet}/x`), table.directory(`${kubelet}/x`));
      t.is(table.directory(`${root}/run/user`), table.directory('/run/user'));
      t.false(after.some((mountPoint) => mountPoint.startsWith(`${root}/host${root}`)));
      t.false(after.some((mountPoint) => mountPoint.startsWith(`${root}/host${versions}`)));
    }),
  );
  t.pass();
});

test('killed after whichever mounts, again and again, the next run comes to the same', (t) => {
  const kills = fc.array(fc.nat(12), { maxLength: 4 });
  fc.assert(
    fc.property(nodes.filter(isPossible), kills, (node, moments) => {
      const [wanted, table] = [tableOf(node), tableOf(node)];
      lay(node, wanted);
      for (const moment of moments)
        for (const action of planFor(node, table).slice(0, moment)) table.apply(action);
      lay(node, table);
      t.deepEqual(table.describe(), wanted.describe());
      t.deepEqual(planFor(node, table), []);
    }),
  );
  t.pass();
});
