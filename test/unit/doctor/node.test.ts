import test from 'ava';
import { judgeFailures } from '../../../src/doctor/failures.ts';
import { judgeManifest } from '../../../src/doctor/installation.ts';
import { judgeClientId } from '../../../src/doctor/nfs-client.ts';
import { judgeKubelets, judgeNameServer } from '../../../src/doctor/resolver.ts';
import { judgeTrial } from '../../../src/doctor/rootfs.ts';
import { judgeSpace, type ObservedSpace } from '../../../src/doctor/space.ts';
import type { Manifest } from '../../../src/manifest/manifest.ts';
import { parseRecord } from '../../../src/record/parse.ts';
import { usedNameservers } from '../../../src/resolver/merge.ts';
import { wantedResolvConf } from '../../../src/resolver/rootfs-resolv-conf.ts';
import { layout, manifest } from '../../support/model/node-model.ts';

test('name servers are the first three that resolv.conf names', (t) => {
  const text =
    '# nameserver 1.1.1.1\nnameserver 10.0.0.1\nnameserver\t10.0.0.2 # x\nsearch a\nnameserver fd00::1\nnameserver 10.0.0.4\n';
  t.deepEqual(usedNameservers(text), ['10.0.0.1', '10.0.0.2', 'fd00::1']);
  t.deepEqual(usedNameservers(''), []);
});

test('a name server that answers, refuses, is silent', (t) => {
  t.is(judgeNameServer('/etc/resolv.conf', '10.0.0.1', { kind: 'answered', milliseconds: 3 }).level, 'ok');
  t.regex(
    judgeNameServer('/etc/resolv.conf', '10.0.0.1', { kind: 'refused', code: 'ECONNREFUSED' }).message,
    /ECONNREFUSED/,
  );
  t.regex(judgeNameServer('/etc/resolv.conf', '10.0.0.1', { kind: 'silent' }).message, /does not answer/);
});

test('a host name that many machines have makes duplicate NFSv4 clients', (t) => {
  const levels = (name: string, ...ids: readonly (string | undefined)[]) => judgeClientId(name, ids).level;
  for (const name of ['localhost', 'localhost.localdomain', '(none)', '', 'Debian'])
    t.is(levels(name, undefined, undefined), 'warning', name);
  t.is(levels('node-17', '\n', '(null)\n'), 'ok');
  t.is(levels('localhost', '\n', '(null)\n'), 'warning');
  t.is(levels('localhost', '3f2a\n', undefined), 'ok');
  t.is(levels('localhost', undefined, '3f2a\n'), 'ok');
});

const space: ObservedSpace = {
  path: '/x',
  user: 'tests',
  readOnly: 'failing',
  full: 'warning',
  refusal: undefined,
  freeBytes: 1e9,
  freeInodes: 1000,
};

test('space: room, little, none, no inode, read-only', (t) => {
  const level = (change: Partial<ObservedSpace>) => judgeSpace({ ...space, ...change }).level;
  t.is(level({}), 'ok');
  t.is(level({ freeInodes: undefined }), 'ok', 'a filesystem that does not count inodes');
  t.is(level({ freeBytes: 1e7, full: 'failing' }), 'warning');
  t.is(level({ freeBytes: 0 }), 'warning');
  t.is(level({ freeBytes: 0, full: 'failing' }), 'failing');
  t.is(level({ freeInodes: 0, full: 'failing' }), 'failing');
  t.is(level({ refusal: 'EROFS' }), 'failing');
  t.is(level({ refusal: 'EACCES', readOnly: 'warning' }), 'warning');
  t.regex(judgeSpace({ ...space, freeBytes: 500 * 1024 }).message, /^has 500 KiB free/);
});

const now = Date.parse('2026-01-01T12:00:00Z');
const line = (time: string | number, more: Readonly<Record<string, unknown>> = {}) =>
  JSON.stringify({
    level: 50,
    time: typeof time === 'number' ? new Date(time).toISOString() : time,
    command: 'mount',
    status: 32,
    errorClass: 'unknown',
    msg: 'failed',
    subject: '/t',
    target: '/t',
    ...more,
  });
const succeeded = { level: 30, status: 0, errorClass: undefined, msg: 'mounted' };
const judge = (...lines: readonly string[]) => judgeFailures('/log', parseRecord(lines.join('\n')), now);

test('failures: those of the last hour are counted, and the last is told', (t) => {
  const text = [
    '{"cut',
    'null',
    '[]',
    line('2026-01-01T10:00:00Z'),
    line(now - 1000, { errorClass: 'stale', hint: 'do it' }),
    line(now, { ...succeeded, target: '/other' }),
    line('no time'),
    line(now - 500, { command: 'unit' }),
  ].join('\n');
  const finding = judgeFailures('/log', parseRecord(text), now);
  t.like(finding, { level: 'warning', hint: 'do it' });
  t.is(finding.message, '1 within the last hour, the last at 2026-01-01T11:59:59.000Z (stale): /t: failed');
  t.is(judgeFailures('/log', parseRecord(text), now + 2 * 3_600_000).level, 'ok');
  t.is(judgeFailures('/log', [], now).level, 'ok');
});

test('failures: those that were remembered are told apart', (t) => {
  t.regex(
    judge(line(now - 9), line(now - 5, { isRemembered: true })).message,
    /^2 within the last hour \(1 of them at once, as remembered/,
  );
});

test('failures: a target that was mounted since needs nothing; the last that was not is told', (t) => {
  const mounted = judge(line(now - 9), line(now - 5, succeeded));
  t.like(mounted, { level: 'ok', hint: null });
  t.regex(mounted.message, /^1 within the last hour, each mounted since; the last at /);
  const other = { subject: '/other', target: '/other' };
  const one = judge(line(now - 9, other), line(now - 8), line(now - 5, succeeded));
  t.is(one.level, 'warning');
  t.regex(one.message, /^2 within the last hour, the last at .*: \/other: failed$/);
  t.is(judge(line(now - 9), line(now - 5, { ...succeeded, isFake: true })).level, 'warning', 'mount -f');
});

test('failures: what a hint names is not asked for once it was done', (t) => {
  const failure = line(now - 9, { hint: 'run mounter prepare' });
  const prepared = (status: number) => line(now - 5, { ...succeeded, command: 'prepare', status });
  t.is(judge(failure).hint, 'run mounter prepare');
  t.is(judge(failure, prepared(2)).hint, 'run mounter prepare');
  t.is(judge(prepared(0), failure).hint, 'run mounter prepare');
  t.regex(judge(failure, prepared(0)).hint ?? '', /^mounter prepare has run since/);
});

test('failures: doctor does not send whoever reads it to doctor', (t) => {
  const shown = (hint: string) => judge(line(now - 9, { hint })).hint;
  t.is(shown('run mounter doctor to see what the node lacks'), 'see the other findings');
  t.is(shown('run mounter doctor, which looks at a, b and c'), 'see the other findings');
  t.is(
    shown('run mounter doctor, which asks each; getent says it'),
    'see the other findings; getent says it',
  );
  t.is(
    shown('run mounter doctor, which says a, then mounter exec -- b'),
    'see the other findings, then mounter exec -- b',
  );
  t.is(
    shown('run mounter doctor, and mounter exec -- b, which starts it'),
    'see the other findings, and mounter exec -- b, which starts it',
  );
});

test('a limit of a mount that is above what kubelet waits is told', (t) => {
  const judge = (mountSeconds: number) =>
    judgeManifest(layout, { limits: { ...manifest.limits, mountSeconds } });
  t.is(judge(manifest.limits.mountSeconds).level, 'ok');
  t.is(judge(120).level, 'ok');
  t.like(judge(121), { level: 'warning', subject: layout.manifest });
  const own = judgeManifest(layout, { limits: { ...manifest.limits, mountSeconds: 121 } }, [
    'limits.mountSeconds',
  ]);
  t.is(own.subject, layout.nodeSettings);
  t.regex(judge(300).message, /^limits\.mountSeconds is 300, and kubelet waits 2 min 3 s/);
});

test('a program of the rootfs that does not run, or does not end', (t) => {
  const types = () => ['nfs'];
  t.is(judgeTrial('/sbin/x', { status: 0, output: '' }, 'mend it', types), undefined);
  t.like(judgeTrial('/sbin/x', undefined, 'mend it', types), {
    level: 'warning',
    message: 'did not say its version within 3 s',
  });
  const output = 'first\n/sbin/x: error while loading shared libraries: liby.so: cannot open\n';
  t.regex(
    judgeTrial('/sbin/x', { status: 127, output }, 'mend it', types)?.message ?? '',
    /liby\.so: cannot open$/,
  );
});

test('a kubelet that began before the rootfs is found; one that has written, or need not, is not', (t) => {
  const ours = wantedResolvConf({
    resolver: { mode: 'kubelet', nameservers: [], searches: [] },
    current: undefined,
    hostText: 'nameserver 1.1.1.1\n',
    hostStatus: undefined,
  });
  const judgeText = (text: string, resolver: Partial<Manifest['resolver']>, kubelets: readonly number[]) =>
    judgeKubelets(
      '/x',
      text,
      { resolver: { mode: 'kubelet', nameservers: [], searches: [], ...resolver } },
      kubelets,
    );
  const text = ours?.text ?? '';
  t.regex(
    judgeText(text, {}, [7])[0]?.message ?? '',
    /kubelet \(process 7\) began before there was a rootfs/,
  );
  t.deepEqual(judgeText(text, {}, []), []);
  t.deepEqual(judgeText('nameserver 10.96.0.10\n', {}, [7]), []);
  t.deepEqual(judgeText(text, { nameservers: ['10.96.0.10'] }, [7]), []);
  t.deepEqual(judgeText(text, { mode: 'merge' }, [7]), []);
});
