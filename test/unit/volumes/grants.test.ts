import test from 'ava';
import { parseMountinfo } from '../../../src/host/mountinfo.ts';
import type { RecordedCall } from '../../../src/record/parse.ts';
import { grantsOf } from '../../../src/volumes/grants.ts';

const targets = ['/k/staged', '/k/pod', '/k/other', '/k/gluster'] as const;
const [staged, pod, other, gluster] = targets;
/** A volume of CSI and a Pod's view of it, another directory of the same filesystem, and one of another kind. */
const entries = parseMountinfo(`1 0 0:40 / ${staged} rw - nfs4 s:/x rw,vers=4.2,proto=tcp,sec=sys
2 0 0:40 / ${pod} rw - nfs4 s:/x rw,vers=4.2,proto=tcp,sec=sys
3 0 0:40 /y ${other} rw - nfs4 s:/x/y rw,vers=4.2,proto=tcp,sec=sys
4 0 0:41 / ${gluster} rw - fuse.glusterfs s:v rw
`);
const volumes = entries.map(({ source, mountPoint, fstype }) => ({
  source,
  target: mountPoint,
  fstype,
  entries: 1,
}));

const call = (target: string, options: string, more: Partial<RecordedCall> = {}): RecordedCall => ({
  ...{ command: 'mount', fstype: 'nfs', source: 's:/x', target, options, status: 0, wasMounted: false },
  ...{ timeMs: 0, pid: 1, totalMs: 1, msg: 'mounted', ...more },
});

/** What each has less than was asked for: `nconnect=8>1`. */
function lessBy(calls: readonly RecordedCall[], kib = '128\n') {
  const readText = (path: string) => (path === '/sys/class/bdi/0:40/read_ahead_kb' ? kib : undefined);
  const grants = grantsOf(volumes, entries, calls, [{ host: '/k', rootfs: '/var/lib/kubelet' }], {
    readText,
  });
  return Object.fromEntries(
    targets.map((target) => [
      target,
      grants.get(target)?.lessThanAsked.map(({ option, asked, got }) => `${option}=${asked}>${got}`),
    ]),
  );
}

const nothing = { [staged]: [], [pod]: [], [other]: [], [gluster]: [] };

test('what each has is told without a record', (t) => {
  const grants = grantsOf(volumes, entries, [], [], { readText: () => undefined });
  t.like(grants.get(staged), { granted: { version: '4.2' }, readAheadKib: null, lessThanAsked: [] });
  t.deepEqual(grants.get(gluster), { granted: null, readAheadKib: null, lessThanAsked: [] });
  t.deepEqual(lessBy([]), nothing);
});

test("what was asked for is the call's that has mounted it; a Pod's view is the volume that it shows", (t) => {
  const less = ['nconnect=8>1'];
  t.deepEqual(lessBy([call(staged, 'nconnect=8')]), { ...nothing, [staged]: less, [pod]: less });
  const bySymlink = call(staged.replace('/k/', '/var/lib/kubelet/'), 'nconnect=8');
  t.deepEqual(lessBy([bySymlink]), { ...nothing, [staged]: less, [pod]: less });
  t.deepEqual(lessBy([call(staged, 'nconnect=8'), call(staged, 'nconnect=1')]), nothing);
  for (const more of [
    { wasMounted: true },
    { isFake: true as const },
    { status: 32 },
    { command: 'install' },
  ] satisfies Partial<RecordedCall>[])
    t.deepEqual(lessBy([call(staged, ''), call(staged, 'nconnect=8', more)]), nothing, JSON.stringify(more));
});

test("the read-ahead is held against the volume's option alone: who knows what the settings were then", (t) => {
  const of = (...args: Parameters<typeof lessBy>) => lessBy(...args)[other];
  t.deepEqual(of([call(other, 'x-mounter.read-ahead=4096')]), ['read-ahead=4096>128']);
  t.deepEqual(of([call(other, 'x-mounter.read-ahead=4096')], '4096\n'), []);
  t.deepEqual(of([call(other, 'x-mounter.read-ahead=100')], '64\n'), [], 'larger pages');
  t.deepEqual(of([call(other, 'vers=4.2')]), []);
});

test('a line of the record that was cut, or is of another mounter, tells nothing', (t) => {
  for (const options of ['nconnect=8,context="a', 'nconnect=8,x-mounter.later=1'])
    t.deepEqual(lessBy([call(staged, options)]), nothing);
});

test("a Pod's view of another directory has asked for nothing, where the kernel lists both as the root", (t) => {
  const mounts = parseMountinfo(`1 0 0:40 / /k/staged rw - nfs4 s:/x rw,vers=4.2,proto=tcp,sec=sys
2 0 0:40 / /k/pod rw - nfs4 s:/y rw,vers=4.2,proto=tcp,sec=sys
`);
  const seen = mounts.map(({ source, mountPoint, fstype }) => ({
    ...{ source, target: mountPoint, fstype },
    entries: 1,
  }));
  const calls = [call('/k/staged', 'xprtsec=tls')];
  const grants = grantsOf(seen, mounts, calls, [], { readText: () => undefined });
  t.deepEqual(
    [...grants.values()].map(({ lessThanAsked }) => lessThanAsked.length),
    [1, 0],
  );
});
