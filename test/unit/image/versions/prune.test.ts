import test from 'ava';
import { parseMountinfo } from '../../../../src/host/mountinfo.ts';
import { inOrderOfWorth, userOf } from '../../../../src/image/versions/prune.ts';
import type { InstalledVersion } from '../../../../src/image/versions/version-list.ts';
import { describeProcess, foreignMounts } from '../../../../src/image/versions/version-use.ts';
import { layout, manifest, preparedNode } from '../../../support/model/node-model.ts';

function version(
  digest: string,
  installedAt: string | null,
  state?: 'current' | 'previous',
): InstalledVersion {
  const facts = { reference: null, bytes: null, manifest: null, processes: [], mounts: [] };
  return { ...facts, digest, installedAt, isCurrent: state === 'current', isPrevious: state === 'previous' };
}

test('the current version is kept longest, then the previous one, then the latest', (t) => {
  const versions = [
    version('unknown', null),
    version('previous', '2026-01-01', 'previous'),
    version('young', '2026-03-03'),
    version('current', '2026-02-02', 'current'),
    version('old', '2026-01-02'),
  ];
  t.deepEqual(
    inOrderOfWorth(versions).map(({ digest }) => digest),
    ['current', 'previous', 'young', 'old', 'unknown'],
  );
});

test('a version stays whose mounts nobody can tell apart, for its manifest is of another mounter', (t) => {
  const mounts = parseMountinfo('2 1 0:9 / /home/m/versions/a/proc rw - proc proc rw');
  const old = { ...version('sha256:a', null), mounts, manifest: '{"formatVersion": 0}' };
  t.regex(userOf(old, { layout, host: preparedNode() }) ?? '', /its manifest is not valid any more/);
});

test('what prepare did not mount is somebody else’s', (t) => {
  const directory = '/home/m/versions/a';
  const entries = parseMountinfo(
    ['/proc', '/var/lib/kubelet', '/var/lib/kubelet/pods/v', '/usr/sbin/start-statd', '/mnt', '/process']
      .map((path, index) => `${index + 2} 1 0:9 / ${directory}${path} rw - tmpfs tmpfs rw`)
      .join('\n'),
  );
  t.deepEqual(
    foreignMounts(directory, entries, manifest).map(({ mountPoint }) => mountPoint),
    [`${directory}/mnt`, `${directory}/process`],
  );
});

test('processes by the name an operator knows', (t) => {
  const process = {
    pid: 7,
    executable: undefined,
    root: '/',
    mountNamespace: 'mnt:[1]',
    isInOurNetwork: true,
  };
  t.is(describeProcess({ ...process, name: 'rpc.statd' }), 'rpc.statd (process 7)');
  t.is(describeProcess({ ...process, name: '\u001b[2J' }), '\\x1b[2J (process 7)');
});
