import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import test from 'ava';
import { execa } from 'execa';
import { locksDirectory, runDirectory } from '../../../src/node/layout.ts';
import {
  findTlshds,
  isReading,
  keepTlshd,
  tlshdSettings,
  writeTlshdSettings,
} from '../../../src/services/tlshd.ts';
import { contextOf, preparedNode } from '../../support/model/node-model.ts';

const sockets = `sk               Eth Pid        Groups   Rmem     Wmem     Dump  Locks    Drops    Inode
000000005736385a 16  1308623762 00000040 0        0        0     2        0        422
00000000efd271de 16  918555058  00000040 896      0        0     2        0        2452
000000006df5db0b 16  0          00000000 0        0        0     2        0        4
00000000b0458491 15  985        00000000 0        0        0     2        0        482
`;

test('the socket of a tlshd is found by its pid, and one with something unread does not listen', (t) => {
  t.true(isReading(sockets, 1308623762 % 2 ** 22));
  t.false(isReading(sockets, 918555058 % 2 ** 22));
  t.false(isReading(sockets, 985), 'another protocol');
  t.false(isReading('', 985));
});

test('its settings name files of the host, as they are now', (t) => {
  t.is(
    tlshdSettings({ trustStore: '/etc/pki/c a.pem', certificate: '/etc/a\\b.pem', privateKey: '/etc/key' }),
    `# Written by mounter, of security.tls of its settings.
[debug]
loglevel=1
[authenticate.client]
x509.truststore=/proc/1/root/etc/pki/c a.pem
x509.certificate=/proc/1/root/etc/a\\\\b.pem
x509.private_key=/proc/1/root/etc/key
`,
  );
  t.notRegex(tlshdSettings({ trustStore: '/ca' }), /certificate=|key=/);
});

test('where the settings name no trust store, the script takes the first one that is there', (t) => {
  t.regex(writeTlshdSettings({}), /for store in '\/etc\/ssl\/certs\/ca-certificates\.crt' '\/etc\/pki\//);
  t.regex(writeTlshdSettings({ trustStore: "/it's" }), /for store in '\/it'\\''s'; do/);
});

test('a stranger that calls itself tlshd is none: the kernel hands it no handshake', (t) => {
  const host = preparedNode();
  const all = '000001ffffffffff';
  const found = (uids: string, effective: string, executable: string | undefined = '/usr/sbin/tlshd') => {
    const named = { name: 'tlshd', executable, root: '/', mountNamespace: undefined };
    host.processList = [{ ...named, pid: 985, isInOurNetwork: true }];
    host.texts.set('/proc/985/stat', '985 (tlshd) S 914 985 985 0');
    host.texts.set(
      '/proc/985/status',
      `Name:\ttlshd\nUid:\t${uids}\nCapEff:\t${effective}\nCapBnd:\t${all}\n`,
    );
    return findTlshds(contextOf(host)).map(({ owner }) => owner);
  };
  t.deepEqual(found('0\t0\t0\t0', all), ['host']);
  t.deepEqual(found('1000\t1000\t1000\t1000', '0000000000000000'), []);
  t.deepEqual(found('1000\t1000\t1000\t1000', all), [], 'all that its own user namespace has');
  t.deepEqual(found('0\t0\t0\t0', '00000000a80425fb'), [], "a container's root on the host's network");
  t.deepEqual(found('1000\t0\t0\t0', all), [], 'a setuid program that anybody has called so');
  t.deepEqual(
    found('0\t0\t0\t0', all, '/usr/bin/sudo'),
    [],
    'one that is all root by now, and another program',
  );
  t.deepEqual(found('0\t0\t0\t0', all, '/usr/sbin/tlshd (deleted)'), ['host']);
});

test('what crashes as soon as it starts is not started again without a pause', async (t) => {
  const directory = mkdtempSync(`${tmpdir()}/keeper-`);
  const script = keepTlshd.replaceAll(locksDirectory, directory).replaceAll(runDirectory, directory);
  const crash = `echo >>${directory}/starts; kill -SEGV $$`;
  await execa('timeout', ['3', 'sh', '-c', script, 'sh', 'sh', '-c', crash], { reject: false });
  const starts = readFileSync(`${directory}/starts`, 'utf8').length;
  t.true(starts > 1 && starts < 20, `${starts} times`);
  rmSync(directory, { recursive: true });
});
