import test from 'ava';
import type { Level } from '../../../src/doctor/finding.ts';
import { judgeKubelet, mounterOf } from '../../../src/doctor/kubelet.ts';
import { parseMountinfo } from '../../../src/host/mountinfo.ts';

const directory = '/var/lib/kubelet';
const root = '1 0 8:1 / / rw shared:1 - ext4 /dev/sda rw';
const bound = '2 1 8:1 /var/lib/kubelet /var/lib/kubelet rw shared:2 - ext4 /dev/sda rw';
const host = parseMountinfo(`${root}\n${bound}`);

const copies: readonly (readonly [title: string, how: string, level: Level])[] = [
  ['a peer of the host', 'shared:2', 'ok'],
  ['a slave of the host', 'master:2', 'warning'],
  ['a peer group of its own, which receives from the host', 'shared:9 master:2', 'warning'],
];
for (const [title, how, level] of copies) {
  test(`the kubelet directory in a mount namespace of kubelet's own: ${title}`, (t) => {
    const theirs = parseMountinfo(`${root}\n${bound.replace('shared:2', how)}`);
    const finding = judgeKubelet(7, directory, theirs, host);
    t.like(finding, { level, subject: 'kubelet (process 7)' });
    t.is(finding.hint === null, level === 'ok');
  });
}

test("in the host's mount namespace nothing is to be said", (t) => {
  t.is(judgeKubelet(7, directory, host, host).level, 'ok');
});

for (const [words, mounter] of [
  [['--v=2'], undefined],
  [['--experimental-mounter-path=/a'], '/a'],
  [['--experimental-mounter-path', '/a', '--v=2'], '/a'],
  [['-experimental-mounter-path=/a', '--experimental-mounter-path=/b=c'], '/b=c'],
  [['--experimental-mounter-path='], ''],
  [['--x=--experimental-mounter-path=/a'], undefined],
] as const)
  test(`the mounter that a kubelet is told: ${words.join(' ')}`, (t) => {
    t.is(mounterOf(['/usr/bin/kubelet', ...words, ''].join('\0')), mounter);
  });
