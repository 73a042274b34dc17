import test from 'ava';
import { askerOf, isInline } from '../../../src/csi/asker.ts';

const uid = '6c1f0a52-32ae-4b5e-9d5c-0b7a4f0f8f11';
const target = `/var/lib/kubelet/pods/${uid}/volumes/kubernetes.io~csi/data/mount`;
const keys = (namespace: string, of: string, ephemeral: string) => ({
  'csi.storage.k8s.io/pod.namespace': namespace,
  'csi.storage.k8s.io/pod.uid': of,
  'csi.storage.k8s.io/ephemeral': ephemeral,
});

const cases: readonly (readonly [
  title: string,
  context: Readonly<Record<string, string>>,
  target: string,
  asker: string,
])[] = [
  ['kubelet says it', keys('team-a', uid, 'false'), target, 'pod:team-a'],
  ['and of an inline volume', keys('team-a', uid, 'true'), target, 'inline:team-a'],
  ['it says nothing', {}, target, 'pod'],
  ["a Pod's author does, and knows no UID", keys('team-a', 'x', 'true'), target, 'inline'],
  ['nor what would stand in every path', keys('team-a', '', 'true'), target, 'inline'],
  ['nor a part of the path', keys('team-a', `${uid}/volumes/kubernetes.io~csi`, 'true'), target, 'inline'],
  ['nor a name of their own in it', keys('team-a', 'data', 'true'), target, 'inline'],
  ['the target is no Pod’s', keys('team-a', uid, 'false'), `/var/lib/kubelet/plugins/${uid}/x`, 'pod'],
  ['without the namespace', { 'csi.storage.k8s.io/pod.uid': uid }, target, 'pod'],
];

for (const [title, context, path, asker] of cases) test(title, (t) => t.is(askerOf(context, path), asker));

test('inline is what kubelet calls ephemeral, in its own spelling', (t) => {
  t.deepEqual(
    ['true', 'false', 'TRUE', ''].map((value) => isInline(keys('a', uid, value))),
    [true, false, false, false],
  );
});
