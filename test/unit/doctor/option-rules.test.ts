import test from 'ava';
import { strangeRules } from '../../../src/doctor/option-rules.ts';
import { kindNames } from '../../../src/manifest/filesystem-kinds.ts';
import { shippedManifest } from '../../../src/manifest/shipped.ts';
import { driverFor } from '../../../src/mount/filesystems/filesystems.ts';

const { policy } = shippedManifest();
const strangeIn = (options: (typeof policy)['options']) => strangeRules({ ...policy, options });

test('a rule about an option like a known one is told with that', (t) => {
  t.deepEqual(
    strangeIn({
      forbidden: ['@default', 'nosiud', 'hrad'],
      allowed: ['verz=3', 'vers=4.2', 'rsize*'],
      nfs: { required: ['xprtsecs=tls', 'NOSUID', 'noresvport'] },
    }),
    [
      { setting: 'policy.options.allowed', entry: 'verz=3', meant: 'vers' },
      { setting: 'policy.options.forbidden', entry: 'nosiud', meant: 'nosuid' },
      { setting: 'policy.options.forbidden', entry: 'hrad', meant: 'hard' },
      { setting: 'policy.options.nfs.required', entry: 'xprtsecs=tls', meant: 'xprtsec' },
    ],
  );
});

test('an option is told by the names of its own kind', (t) => {
  t.deepEqual(
    strangeIn({
      nfs: { required: ['hart', 'dir-mode'] },
      cifs: { required: ['dir-mode=0700', 'max-channels=4'] },
    }),
    [
      { setting: 'policy.options.nfs.required', entry: 'hart', meant: 'hard' },
      { setting: 'policy.options.cifs.required', entry: 'dir-mode=0700', meant: 'dir_mode' },
      { setting: 'policy.options.cifs.required', entry: 'max-channels=4', meant: 'max_channels' },
    ],
  );
});

test('what our own lists have, and what is like nothing, is left alone', async (t) => {
  for (const kind of kindNames) {
    const { forbidden, writtenFiles, subdirectories, ownOptions } = (await driverFor(kind)).options;
    const own = [...forbidden, ...writtenFiles, ...subdirectories, ...ownOptions];
    t.true(own.length > 5);
    t.deepEqual(strangeIn({ [kind]: { forbidden: own } }), []);
  }
  t.deepEqual(strangeIn({ forbidden: ['mds_namespace', 'recover_session=clean'] }), []);
});
