import test from 'ava';
import { isNetworkMount } from '../../../src/doctor/context.ts';
import { judgeDuplicates, stackedVolumes } from '../../../src/doctor/duplicates.ts';
import type { Level } from '../../../src/doctor/finding.ts';
import { judgeMountMax, judgePropagation } from '../../../src/doctor/mounts.ts';
import { unmountCopies } from '../../../src/doctor/repair.ts';
import { parseMountinfo } from '../../../src/host/mountinfo.ts';

const kubelet = '/var/lib/kubelet';
const directory = { host: kubelet, rootfs: kubelet };
const root = '1 0 8:1 / / rw shared:1 - ext4 /dev/sda rw';
const bound = '2 1 8:1 /var/lib/kubelet /var/lib/kubelet rw shared:2 - ext4 /dev/sda rw';
const view = '3 1 8:1 /var/lib/kubelet /home/m/versions/a/var/lib/kubelet rw shared:2 - ext4 /dev/sda rw';
const volume = '4 2 0:5 / /var/lib/kubelet/pods/a rw shared:3 - nfs4 s:/a rw';
const volumeView = '5 3 0:5 / /home/m/versions/a/var/lib/kubelet/pods/a rw shared:3 - nfs4 s:/a rw';
const entries = (...lines: readonly string[]) => parseMountinfo(lines.join('\n'));

const groups: readonly (readonly [title: string, lines: readonly string[], level: Level, message: RegExp])[] =
  [
    ['its own', [root, bound, view], 'ok', /peer group 2 of its own/],
    ['that of /', [root, bound.replace('shared:2', 'shared:1')], 'warning', /peer group of \/:/],
    ['none, and private', [root, bound.replace(' shared:2', '')], 'failing', /not shared/],
    ...[
      'pods/u/volumes/kubernetes.io~empty-dir/e',
      'pods/u/volumes/kubernetes.io~empty-dir/e/sub',
      'pods/u/volumes/kubernetes.io~configmap/c/..2026/file',
      'pods/u/volume-subpaths/e/c/0',
    ].map((path): [string, readonly string[], Level, RegExp] => [
      `a container's view of ${path}`,
      [
        root,
        bound,
        view,
        `6 2 8:1 ${kubelet}/${path} ${kubelet}/pods/u/volume-subpaths/e/c/1 rw shared:2 - ext4 /dev/sda rw`,
      ],
      'ok',
      /peer group 2 of its own/,
    ]),
    ...[kubelet, `${kubelet}/pods`, `${kubelet}/pods/u/volumes`, '/var'].map(
      (path): [string, readonly string[], Level, RegExp] => [
        `a bind of ${path} elsewhere`,
        [root, bound, view, `6 1 8:1 ${path} /mnt/x rw shared:2 - ext4 /dev/sda rw`],
        'warning',
        /peer group of \/mnt\/x:/,
      ],
    ),
    [
      'a subPath on a disk of its own',
      [
        root,
        '2 1 8:2 / /var/lib/kubelet rw shared:2 - ext4 /dev/sdb rw',
        `6 2 8:2 /pods/u/volumes/kubernetes.io~empty-dir/e/s ${kubelet}/pods/u/volume-subpaths/e/c/1 rw shared:2 - ext4 /dev/sdb rw`,
      ],
      'ok',
      /peer group 2 of its own/,
    ],
    [
      'no mount of its own',
      [root],
      'warning',
      /^is no mount of its own, but a directory of \/, which is shared:/,
    ],
    ['no mount of its own on a private /', [root.replace(' shared:1', '')], 'failing', /not shared/],
  ];
for (const [title, lines, level, message] of groups) {
  test(`peer group: ${title}`, (t) => {
    const finding = judgePropagation(directory, entries(...lines));
    t.is(finding.level, level);
    t.regex(finding.message, message);
  });
}

test('with volumes in the group of / the node has to be drained first', (t) => {
  const lines = [root, bound.replace('shared:2', 'shared:1'), volume];
  t.regex(judgePropagation(directory, entries(...lines)).hint ?? '', /drain/);
});

const copies: readonly (readonly [title: string, lines: readonly string[], expected: readonly string[]])[] = [
  ['none', [root, bound, view, volume, volumeView], ['ok /var/lib/kubelet']],
  [
    'the directory bound once more',
    [root, bound, '6 2 8:1 /var/lib/kubelet /var/lib/kubelet rw shared:2 - ext4 /dev/sda rw', view],
    ['warning /var/lib/kubelet'],
  ],
  [
    'a volume on itself',
    [root, bound, view, volume, volumeView, '7 4 0:5 / /var/lib/kubelet/pods/a rw shared:3 - nfs4 s:/a rw'],
    ['warning /var/lib/kubelet/pods/a'],
  ],
  [
    'a volume that is copied elsewhere too',
    [root, bound, view, volume, volumeView, volumeView.replace(/^5/, '8')],
    ['warning /var/lib/kubelet/pods/a'],
  ],
  [
    'a volume over another one',
    [root, bound, view, volume, volumeView, '7 4 0:6 / /var/lib/kubelet/pods/a rw shared:4 - nfs4 s:/b rw'],
    ['warning /var/lib/kubelet/pods/a'],
  ],
];
for (const [title, lines, expected] of copies) {
  test(`duplicates: ${title}`, (t) => {
    const found = judgeDuplicates(directory, entries(...lines));
    t.deepEqual([...new Set(found.map(({ level, subject }) => `${level} ${subject}`))], expected);
  });
}

test('one volume that takes more mounts than it needs is alone', (t) => {
  const found = judgeDuplicates(
    directory,
    entries(root, bound, view, volume, volumeView, volumeView.replace(/^5/, '8').replace('/a/', '/b/')),
  );
  t.deepEqual(
    found.map(({ message }) => message),
    ['takes 3 mounts where 2 would do'],
  );
});

test('only a mount over the very same one is surplus', (t) => {
  const same = '7 4 0:5 / /var/lib/kubelet/pods/a rw - nfs4 s:/a rw';
  const other = '7 4 0:6 / /var/lib/kubelet/pods/a rw - nfs4 s:/b rw';
  const part = '7 4 0:5 /sub /var/lib/kubelet/pods/a rw - nfs4 s:/a rw';
  const ids = (line: string) =>
    stackedVolumes(kubelet, entries(root, bound, volume, line)).map(({ mountId }) => mountId);
  t.deepEqual([ids(same), ids(other), ids(part)], [[7], [], []]);
});

test('repair unmounts a copy, and not the volume whose copy kubelet has unmounted meanwhile', async (t) => {
  const b = '8 2 0:6 / /var/lib/kubelet/pods/b rw - nfs4 s:/b rw';
  const copies = [
    '7 4 0:5 / /var/lib/kubelet/pods/a rw - nfs4 s:/a rw',
    '9 8 0:6 / /var/lib/kubelet/pods/b rw - nfs4 s:/b rw',
  ];
  let table = [root, bound, volume, b, ...copies].join('\n');
  const host = { readText: () => table, findProgram: (name: string) => `/bin/${name}` };
  const run = (status: number, after: string) => async () => {
    table = after;
    return { status, output: 'umount: busy\n' };
  };
  t.deepEqual(await unmountCopies(kubelet, host, run(1, table)), [
    'left the second s:/b on /var/lib/kubelet/pods/b: umount: busy',
    'left the second s:/a on /var/lib/kubelet/pods/a: umount: busy',
  ]);
  t.deepEqual(await unmountCopies(kubelet, host, run(0, [root, bound, volume, b].join('\n'))), [
    'unmounted the second s:/b on /var/lib/kubelet/pods/b',
  ]);
});

test('fs.mount-max: a warning above 80 %, failing when a volume no longer fits', (t) => {
  const levels = [80, 81, 98, 99, 100].map((count) => judgeMountMax(count, 100).level);
  t.deepEqual(levels, ['ok', 'warning', 'warning', 'failing', 'failing']);
});

test('what lies on a server is known before it is asked', (t) => {
  const all = entries(root, bound, volume);
  t.false(isNetworkMount('/var/lib/kubelet', all));
  t.true(isNetworkMount('/var/lib/kubelet/pods/a/b', all));
});
