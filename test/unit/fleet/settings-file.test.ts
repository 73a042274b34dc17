import test from 'ava';
import { MounterError } from '../../../src/errors.ts';
import { readSettings } from '../../../src/fleet/settings-file.ts';

test('a settings file without an end is not read to it', async (t) => {
  const error = await t.throwsAsync(readSettings('/dev/zero'), { instanceOf: MounterError });
  t.is(error.message, 'is longer than 64 KiB');
});

test('a settings file that is not there, and an empty one', async (t) => {
  await t.throwsAsync(readSettings('/nowhere.json'), { message: /cannot be read: ENOENT/ });
  await t.throwsAsync(readSettings('/dev/null'), { message: '/dev/null is empty' });
});
