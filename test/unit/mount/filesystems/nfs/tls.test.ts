import test from 'ava';
import { nfs } from '../../../../../src/mount/filesystems/nfs/nfs.ts';
import { brokenOff, saidOf, unanswered } from '../../../../../src/mount/filesystems/nfs/tls.ts';
import { tlshdLog, tlshdSettings, tlshdSettingsFile } from '../../../../../src/services/tlshd.ts';
import { ownMounts } from '../../../../support/model/host-model.ts';
import { contextOf, layout, preparedNode, target } from '../../../../support/model/node-model.ts';

/** As tlshd 1.0.0 writes it, at its level 1. */
const log = `tlshd[12]: Built from ktls-utils 1.0.0 on May 25 2025 20:55:34
tlshd[1318]: System trust: Loaded 1 certificate(s).
tlshd[1318]: Certificate owner unexpected.
tlshd[1319]: System trust: Loaded 1 certificate(s).
tlshd[1319]: Certificate expired.
tlshd[1318]: Handshake with 'other.example' (10.9.0.1) failed
tlshd[1319]: Handshake with 'files.example' (10.9.0.1) failed
tlshd[1320]: add_key: No such device
tlshd[1320]: Handshake with files.example (10.9.0.1) was successful
`;

test('what tlshd said of one server is told apart from what it said of others', (t) => {
  const { all, shown, unfinished } = saidOf('OTHER.example', log);
  t.is(
    shown,
    "tlshd: Certificate owner unexpected.\ntlshd: Handshake with 'other.example' (10.9.0.1) failed\n",
  );
  t.is(all.length, 3);
  t.deepEqual(unfinished, []);
  t.is(
    saidOf('files.example', log).shown,
    "tlshd: Certificate expired.\ntlshd: Handshake with 'files.example' (10.9.0.1) failed\n",
  );
  t.deepEqual(saidOf('plain.example', log).all, []);
  t.deepEqual(saidOf('files.example', log).addresses, ['10.9.0.1']);
  t.deepEqual(saidOf('other.example', log).addresses, [], 'with which no handshake went well');
});

test('a handshake that has begun is unfinished until its last line is there', (t) => {
  const begun = 'tlshd[1400]: System trust: Loaded 1 certificate(s).\n';
  t.deepEqual(saidOf('files.example', log + begun).unfinished, [1400]);
  t.deepEqual(
    saidOf('files.example', `${log}${begun}tlshd[1400]: Handshake with files.example (::1) was successful\n`)
      .unfinished,
    [],
  );
});

test('a server that has ended a handshake well is not blamed for what others do meanwhile', (t) => {
  const begun = 'tlshd[1400]: System trust: Loaded 1 certificate(s).\n';
  const failed = (pid: number) => `tlshd[${pid}]: Handshake with 'files.example' (10.9.0.1) failed\n`;
  const went = 'tlshd[1401]: Handshake with files.example (10.9.0.1) was successful\n';
  const judged = (text: string) => {
    const said = saidOf('files.example', text);
    return [brokenOff('tls', 'files.example', said)?.kind, unanswered(said)];
  };
  t.deepEqual(judged(begun), [undefined, [1400]]);
  t.deepEqual(judged(begun + went), [undefined, []]);
  t.deepEqual(judged(failed(1402) + failed(1403)), ['service', []]);
  t.deepEqual(judged(failed(1402) + failed(1403) + went), [undefined, []]);
});

test('a handshake that does not end is blamed on the server that it is with', async (t) => {
  const host = preparedNode();
  const context = contextOf(host);
  const place = '/proc/1/root/etc/ssl/certs/ca-certificates.crt';
  host.file(place, {});
  host.texts.set('/proc/985/stat', '985 (tlshd) S 914 985 985 0');
  host.texts.set('/proc/985/status', 'Uid:\t0\t0\t0\t0\nCapEff:\t000001ffffffffff\n');
  host.texts.set('/proc/914/comm', 'tlshd-keeper\n');
  host.texts.set('/proc/net/netlink', '000000005736385a 16  985 00000040 0 0 0 2 0 422\n');
  const named = { name: 'tlshd', executable: '/usr/sbin/tlshd', root: layout.rootfs };
  host.processList = [{ ...named, pid: 985, mountNamespace: ownMounts, isInOurNetwork: true }];
  const asked = { fstype: 'nfs', source: '10.9.7.1:/x', target, options: 'vers=4.2,xprtsec=tls' };
  host.texts.set(tlshdSettingsFile, tlshdSettings({ trustStore: '/etc/ssl/certs/ca-certificates.crt' }));
  const found = async (peer: string) => {
    host.texts.set(tlshdLog, '');
    const service = await nfs.provideSecurity('tls', asked, context);
    host.texts.set(tlshdLog, 'tlshd[1400]: System trust: Loaded 1 certificate(s).\n');
    host.texts.set('/proc/net/tcp', ` 1: FE07090A:0339 ${peer}:0801 01 0:0 00:0 0 0 0 9417 1\n`);
    host.links.set('/proc/1400/fd/9', 'socket:[9417]');
    return (await service?.watch(new AbortController().signal))?.kind;
  };
  t.is(await found('0107090A'), 'service');
  t.is(await found('0207090A'), undefined);
});
