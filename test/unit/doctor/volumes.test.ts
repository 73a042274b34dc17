import test from 'ava';
import { isGone, podOf } from '../../../src/doctor/orphans.ts';
import { uidOfGroup } from '../../../src/doctor/pods.ts';
import { judgeVolume, serverOf } from '../../../src/doctor/volumes.ts';

const volume = { source: 'server:/x', target: '/k/pods/a', fstype: 'nfs', entries: 2 };
const statSays = (reason: string) => ({
  status: 1,
  output: `stat: cannot read file system information for '/k/pods/a': ${reason}\n`,
});

test('what a volume answers to statfs', (t) => {
  t.deepEqual(judgeVolume(volume, { status: 0, output: '' }), []);
  t.regex(judgeVolume(volume, undefined)[0]?.message ?? '', /^hangs: server does not answer/);
  const gone = judgeVolume(volume, statSays('Transport endpoint is not connected'));
  t.regex(gone[0]?.message ?? '', /daemon of server:\/x is gone/);
  t.regex(judgeVolume(volume, statSays('Stale file handle'))[0]?.message ?? '', /^is stale: server/);
  t.regex(judgeVolume(volume, statSays('Permission denied'))[0]?.message ?? '', /Permission denied$/);
});

test('the server of a source', (t) => {
  t.deepEqual(['s:/x', '[fd00::5]:/x', '//s/share', 's:vol', 'nothing'].map(serverOf), [
    's',
    '[fd00::5]',
    's',
    's',
    'nothing',
  ]);
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
