import test from 'ava';
import { layoutOf } from '../../../src/node/layout.ts';
import { callsOf } from '../../../src/node-agent/on-host.ts';

test('a call goes by the MOUNTER_HOME, and the manifest, of its caller', async (t) => {
  const call = callsOf(() => ['/usr/bin/env'], layoutOf('/opt/mounter', '/etc/mounter.json'));
  const { status, stdout } = await call([], new AbortController().signal);
  t.is(status, 0);
  t.deepEqual(
    stdout.split('\n').filter((line) => line.startsWith('MOUNTER_')),
    ['MOUNTER_HOME=/opt/mounter', 'MOUNTER_MANIFEST=/etc/mounter.json'],
  );
});
