import test from 'ava';
import { missingKeys } from '../../../../scripts/debian/apt.ts';
import { parsePrintUris } from '../../../../scripts/debian/closure.ts';
import { parsePackageRecords } from '../../../../scripts/debian/deb-file.ts';
import { choose, refuseOlder } from '../../../../scripts/debian/pins.ts';
import { parseMadison } from '../../../../scripts/debian/updates.ts';

const sha256 = 'a'.repeat(64);
const attr = {
  name: 'attr',
  version: '1:2.5.1-4',
  architecture: 'amd64',
  sha256,
  fileName: 'attr_1%3a2.5.1-4_amd64.deb',
};

test('a line of --print-uris becomes a package; its epoch is read back from the file name', (t) => {
  const text = `Reading package lists...\n'http://mirror/attr_2.5.1-4_amd64.deb' ${attr.fileName} 41172 SHA256:${sha256}\n`;
  t.deepEqual(parsePrintUris(text), [attr]);
});

test('records of apt-cache show become packages, the file named as apt names it', (t) => {
  const record = `Package: attr\nVersion: 1:2.5.1-4\nArchitecture: amd64\nDescription: x\n y\nSHA256: ${sha256}\n`;
  t.deepEqual(parsePackageRecords(`${record}\n${record}`), [attr, attr]);
  t.deepEqual(parsePackageRecords(''), []);
});

const newer = { ...attr, version: '1:2.5.2-1', sha256: 'b'.repeat(64) };
const pin = { name: attr.name, version: attr.version, sha256 };

test('a pin the archive has is taken, though there is a newer version', (t) => {
  t.is(choose(pin, [newer, attr], { suite: 'bookworm', allowNewer: true }), attr);
});

test('a pin the archive no longer has: an error that names the package and the next action', (t) => {
  const error = t.throws(() => choose(pin, [newer], { suite: 'bookworm', allowNewer: false }));
  t.like(error, { subject: 'attr', hint: 'npm run rootfs -- --update-pins takes what the archive has now' });
  t.is(error.message, 'the archive no longer has version 1:2.5.1-4: bookworm has 1:2.5.2-1');
});

test('a pin the archive no longer has, with allowNewer: the newest', (t) => {
  t.is(choose(pin, [newer], { suite: 'bookworm', allowNewer: true }), newer);
});

test('the pinned version with other bytes is refused, with allowNewer too', (t) => {
  const forged = { ...attr, sha256: 'c'.repeat(64) };
  const error = t.throws(() => choose(pin, [forged], { suite: 'bookworm', allowNewer: true }));
  t.regex(error.message, /with another sha256$/);
});

test('a package the archive does not have at all is an error, with allowNewer too', (t) => {
  const error = t.throws(() => choose(pin, [], { suite: 'bookworm', allowNewer: true }));
  t.regex(error.message, /bookworm does not have this package$/);
});

test('an archive that has only an older one lacks the security archive: no downgrade, with allowNewer neither', (t) => {
  const before = { ...attr, version: '1:2.5.0-9', sha256: 'd'.repeat(64) };
  for (const allowNewer of [false, true]) {
    const error = t.throws(() => choose(pin, [before], { suite: 'bookworm', allowNewer }));
    t.is(error.message, '1:2.5.1-4 is pinned, and the archives of this machine have only 1:2.5.0-9');
    t.like(error, {
      subject: 'attr',
      hint: 'add the security archive, bookworm-security, to the sources in /etc/apt',
    });
  }
  t.throws(() => refuseOlder([before], [pin], 'bookworm'), { message: /have only 1:2\.5\.0-9$/ });
  t.notThrows(() => refuseOlder([newer, attr], [pin], 'bookworm'));
});

test('lines of apt-cache madison: of each version the suite that offers it', (t) => {
  const text = `      attr | 1:2.5.2-3 | http://mirror/debian trixie/main amd64 Packages
      attr | 1:2.5.2-3+deb13u1 | http://mirror/debian-security trixie-security/main amd64 Packages
      attr | 1:2.5.2-3 | http://mirror/debian trixie/main Sources
`;
  t.deepEqual(parseMadison(text), [
    { name: 'attr', version: '1:2.5.2-3', suite: 'trixie' },
    { name: 'attr', version: '1:2.5.2-3+deb13u1', suite: 'trixie-security' },
  ]);
});

test('keys that are missing, as apt of Debian 12 tells it by gpgv, and of Debian 13 by sqv', (t) => {
  const gpgv =
    "W: GPG error: http://mirror trixie InRelease: The following signatures couldn't be verified because the public key is not available: NO_PUBKEY 6ED0E7B82643E131 NO_PUBKEY 78DBA3BC47EF2265";
  const sqv =
    'Sub-process /usr/bin/sqv returned an error code (1), error message is: Missing key B8B80B5B623EAB6AD8775C45B7C5D7D6350947F8, which is needed to verify signature.';
  t.deepEqual(missingKeys(gpgv), ['6ED0E7B82643E131', '78DBA3BC47EF2265']);
  t.deepEqual(missingKeys(sqv), ['B8B80B5B623EAB6AD8775C45B7C5D7D6350947F8']);
  t.deepEqual(missingKeys("E: The repository 'http://mirror trixie InRelease' is not signed."), []);
});
