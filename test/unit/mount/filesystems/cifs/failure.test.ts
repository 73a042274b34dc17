import test from 'ava';
import type { ErrorClass } from '../../../../../src/errors.ts';
import { classOfWords } from '../../../../../src/mount/failure/explain.ts';
import { cifsFailureTexts } from '../../../../../src/mount/filesystems/cifs/failure.ts';

const refer =
  'Refer to the mount.cifs(8) manual page (e.g. man mount.cifs) and kernel log messages (dmesg)\n';

/** As mount.cifs of cifs-utils 6.0 to 7.5 says them; those with `refer` were said by 7.0 in the test VM. */
const said: readonly (readonly [ErrorClass | undefined, string])[] = [
  ['access-denied', `mount error(13): Permission denied\n${refer}`],
  ['access-denied', `Password for root@//srv/share: mount error(13): Permission denied\n${refer}`],
  ['access-denied', `mount error(126): Required key not available\n${refer}`],
  ['no-such-export', `mount error(2): No such file or directory\n${refer}`],
  [
    'no-such-export',
    `Retrying with upper case share name\nmount error(6): No such device or address\n${refer}`,
  ],
  ['bad-option', `mount error(22): Invalid argument\n${refer}`],
  ['bad-option', 'bad option uid="nobody-knows"\n'],
  ['bad-option', 'bad option: cruid="nobody-knows"\n'],
  ['bad-option', "Option 'file_mode' requires a numerical argument\n"],
  ['bad-option', 'error 2 (No such file or directory) opening credential file /x\n'],
  ['version-not-offered', `mount error(95): Operation not supported\n${refer}`],
  [
    'version-not-offered',
    `mount error: Server abruptly closed the connection.\nThis can happen if the server does not support the SMB version you are trying to use.\nThe default SMB version recently changed from SMB1 to SMB2.1 and above. Try mounting with vers=1.0.\nmount error(112): Host is down\n${refer}`,
  ],
  ['connection-refused', 'mount error(111): could not connect to 10.9.0.1Unable to find suitable address.\n'],
  ['no-route', 'mount error(113): could not connect to 10.9.0.77Unable to find suitable address.\n'],
  ['no-route', `mount error(101): Network is unreachable\n${refer}`],
  ['server-silent', `mount error(115): Operation now in progress\n${refer}`],
  ['server-silent', `mount error(110): Connection timed out\n${refer}`],
  ['name-resolution', 'mount error: could not resolve address for no.example: Unknown error\n'],
  ['usage', 'mount.cifs: bad UNC (10.9.0.1:/vol)\n'],
  ['usage', 'Mounting cifs URL not implemented yet. Attempt to mount smb://10.9.0.1/vol\n'],
  [
    'node',
    `mount error: cifs filesystem not supported by the system\nmount error(19): No such device\n${refer}`,
  ],
  ['node', 'Unable to apply new capability set.\n'],
  ['mount-point', "Couldn't chdir to /m: No such file or directory\n"],
  ['busy', `mount error(16): Device or resource busy\n${refer}`],
  [undefined, `mount error(5): Input/output error\n${refer}`],
];

for (const [errorClass, words] of said)
  test(`${errorClass}: ${words.split('\n')[0]}`, (t) => {
    t.is(classOfWords(cifsFailureTexts, words), errorClass);
  });

test('what the asker has written is not taken for words of mount.cifs', (t) => {
  const source = '//srv/mount error(13)';
  const words = `Mounting cifs URL not implemented yet. Attempt to mount ${source}\n`;
  t.is(classOfWords(cifsFailureTexts, words, { source }), 'usage');
});
