import test from 'ava';
import { parseOptions } from '../../../../../src/mount/arguments/options.ts';
import { lockServicesNeed } from '../../../../../src/mount/filesystems/nfs/locks.ts';
import {
  requestedMountTransport,
  requestedTransport,
  requestedVersion,
  unclearVersion,
} from '../../../../../src/mount/filesystems/nfs/options.ts';

/** What mount.nfs makes of them is asked of it in test/vm/nfs-options.test.ts. */

for (const [fstype, options, version, need] of [
  ['nfs', '', undefined, 'ifNegotiated'],
  ['nfs', 'hard,timeo=600', undefined, 'ifNegotiated'],
  ['nfs', 'vers=3', '3', 'always'],
  ['nfs', 'nfsvers=3', '3', 'always'],
  ['nfs', 'v3,nolock', '3', 'never'],
  ['nfs', 'vers=2', '2', 'always'],
  ['nfs', 'vers=4', '4', 'never'],
  ['nfs', 'v4.2', '4.2', 'never'],
  ['nfs', 'vers=4,minorversion=1', '4.1', 'never'],
  ['nfs', 'minorversion=1,v4', '4.1', 'never'],
  ['nfs', 'vers=4.2,minorversion=1', '4.2', 'never'],
  ['nfs', 'minorversion=1', undefined, 'ifNegotiated'],
  ['nfs', 'mountvers=3', '3', 'always'],
  ['nfs', 'mountvers=1', '3', 'always'],
  ['nfs', 'mounthost=srv', '3', 'always'],
  ['nfs', 'mountaddr=10.0.0.5', '3', 'always'],
  ['nfs', 'mountproto=tcp', '3', 'always'],
  ['nfs', 'mountport=635', '3', 'always'],
  ['nfs', 'vers=4.1,mountvers=3', '4.1', 'never'],
  ['nfs', 'MOUNTVERS=3', undefined, 'ifNegotiated'],
  ['nfs4', '', '4', 'never'],
  ['nfs4', 'minorversion=0', '4.0', 'never'],
  ['nfs4', 'mountvers=3', '4', 'never'],
  ['nfs4', 'vers=3', '3', 'always'],
  ['nfs4', 'v3', '3', 'always'],
  ['nfs4', 'vers=4.1', '4.1', 'never'],
] as const) {
  test(`${fstype} with '${options}' is ${version ?? 'negotiated'}`, (t) => {
    t.is(unclearVersion(options), undefined);
    t.is(requestedVersion(fstype, options), version);
    t.is(lockServicesNeed({ fstype, options }), need);
  });
}

for (const [options, name] of [
  ['vers=3,vers=3', 'vers'],
  ['nfsvers=4,vers=4.1', 'vers'],
  ['v3,vers=4', 'vers'],
  ['vers=03', 'vers'],
  ['vers=3.0', 'vers'],
  ['nfsvers=3.0', 'nfsvers'],
  ['vers=0x3', 'vers'],
  ['vers=3 ', 'vers'],
  ['vers= 3', 'vers'],
  ['vers =3', 'vers'],
  [' vers=3', 'vers'],
  ['vers=+3', 'vers'],
  ['vers=4.01', 'vers'],
  ['vers=', 'vers'],
  ['vers', 'vers'],
  ['vers="3"', 'vers'],
  ['Vers=3', 'vers'],
  ['V3', 'v3'],
  ['versx=3', 'vers'],
  ['version=4.1', 'vers'],
  ['v3=x', 'v3'],
  ['v3.1', 'v3'],
  ['v4.01', 'v4'],
  ['v4.3', 'v4'],
  ['v40', 'v4'],
  ['v4.1=x', 'v4'],
  ['v2.0', 'v2'],
  ['context="a,v3,b"', undefined],
  ['context="a,v3=x,b"', 'v3'],
  ['vers=4.0,context="a,v3,b"', 'v3'],
  ['vers=4,minorversion=', 'minorversion'],
  ['vers=4,minorversion', 'minorversion'],
  ['vers=4,minorversion=01', 'minorversion'],
  ['vers=4,minorversion=1,minorversion=2', 'minorversion'],
  ['x-vers=3,verity', undefined],
] as const) {
  test(`'${options}' is ${name === undefined ? 'clear' : `unclear by ${name}`}`, (t) =>
    t.is(unclearVersion(options), name));
}

for (const [options, transport, mountTransport] of [
  ['', undefined, undefined],
  ['tcp,udp', 'udp', undefined],
  ['udp,proto=tcp', 'tcp', undefined],
  ['proto=tcp6', 'tcp', undefined],
  ['proto=rdma6', 'rdma', undefined],
  ['rdma6', undefined, undefined],
  ['proto=TCP', 'TCP', undefined],
  ['mountproto=udp6,proto=tcp', 'tcp', 'udp'],
] as const) {
  test(`the transport of '${options}'`, (t) => {
    t.is(requestedTransport(parseOptions(options)), transport);
    t.is(requestedMountTransport(parseOptions(options)), mountTransport);
  });
}
