import test from 'ava';
import { makePrivateDirectory } from '../../../src/host/private-directory.ts';

test('a directory that cannot be put right is named', (t) => {
  // Of this process, so of its user; and procfs lets nobody change a mode.
  const error = t.throws(() => makePrivateDirectory('/proc/self/task'), { code: 'EPERM' });
  t.like(error, { path: '/proc/self/task' });
});
