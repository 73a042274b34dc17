import test from 'ava';
import { isGone, podOf } from '../../../src/doctor/orphans.ts';
import { uidOfGroup } from '../../../src/doctor/pods.ts';
import { judgeVolume } from '../../../src/doctor/volumes.ts';
import type { VolumeState } from '../../../src/volumes/states.ts';

const volume = { source: 'server:/x', target: '/k/pods/a', fstype: 'nfs', entries: 2 };
test('what is said of a volume, by its state', (t) => {
  const said = (state: VolumeState, words = '') => judgeVolume(volume, { state, words })[0]?.message ?? '';
  t.deepEqual(judgeVolume(volume, undefined), []);
  for (const state of ['alive', 'not-asked'] as const) t.is(said(state), '');
  t.regex(said('silent'), /^hangs: server does not answer/);
  t.regex(said('dead'), /daemon of server:\/x is gone/);
  t.regex(said('stale'), /^is stale: server/);
  t.regex(said('error', 'Permission denied'), /Permission denied$/);
});

const uid = '7a5c0f4e-1111-2222-3333-444455556666';

test('the Pod of a target: a UID, or the hash of a static Pod, and no other name', (t) => {
  const of = (name: string) => podOf('/k', { target: `/k/pods/${name}/volumes/kubernetes.io~nfs/v` });
  t.is(of(uid), uid);
  t.is(of('0123456789abcdef0123456789abcdef'), '0123456789abcdef0123456789abcdef');
  t.is(of('test'), undefined);
  t.is(podOf('/k', { target: `/k/plugins/${uid}/globalmount` }), undefined);
});

test('a Pod is gone when kubelet has no directory for its plugins, or neither a group nor logs', (t) => {
  const groups = new Set([uid]);
  const none = new Set<string>();
  t.true(isGone(uid, ['volumes'], { groups, logs: groups }));
  t.false(isGone(uid, ['plugins', 'volumes'], { groups, logs: none }));
  t.false(isGone(uid, ['plugins'], { groups: none, logs: groups }), 'a Pod that has ended keeps its logs');
  t.true(isGone(uid, ['plugins'], { groups: none, logs: none }));
  t.false(isGone(uid, ['plugins'], { groups: undefined, logs: none }), 'no control groups: nothing is known');
});

test('control groups of Pods, by cgroupfs and by systemd', (t) => {
  t.is(uidOfGroup(`pod${uid}`), uid);
  t.is(uidOfGroup(`kubepods-burstable-pod${uid.replaceAll('-', '_')}.slice`), uid);
  t.is(uidOfGroup('kubepods-burstable.slice'), undefined);
});
