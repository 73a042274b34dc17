import test from 'ava';
import { describeVolumes, type GrantedVolume } from '../../../src/status/volumes.ts';

const volume: GrantedVolume = {
  source: 'nfs.example:/exports/team-a/data',
  target: '/var/lib/kubelet/pods/uid/volumes/kubernetes.io~nfs/data',
  fstype: 'nfs4',
  entries: 1,
  granted: {
    version: '4.2',
    security: 'krb5p',
    transport: 'tcp6',
    tls: 'mtls',
    readBytes: 262_144,
    writeBytes: 98_304,
    connections: 16,
    locks: 'server',
  },
  readAheadKib: 16_384,
  lessThanAsked: [
    {
      option: 'nconnect',
      asked: '16',
      got: '1',
      why: 'mounts of one server share their connections, and the first of them says how many there are',
    },
  ],
};
const gluster: GrantedVolume = {
  ...volume,
  ...{ source: 's:v', target: '/k/\u001b', granted: null, readAheadKib: null, lessThanAsked: [] },
};

test('however long the words are, each line but those of places fits a terminal of 80 columns', (t) => {
  const text = describeVolumes([volume, gluster]);
  t.is(
    text,
    `VERSION  SEC    PROTO  TLS   READ-AHEAD  RSIZE    WSIZE   NCONNECT  LOCKS
4.2      krb5p  tcp6   mtls  16 MiB      256 KiB  96 KiB  16        server
  nfs.example:/exports/team-a/data on
  /var/lib/kubelet/pods/uid/volumes/kubernetes.io~nfs/data
    less than asked: nconnect=16 came to 1: mounts of one server share their
    connections, and the first of them says how many there are
-        -      -      -     -           -        -       -         -
  s:v on
  /k/\\x1b
`,
  );
  for (const line of text.split('\n')) t.true(line.length <= 80, line);
});

test('without volumes that is said', (t) => {
  t.is(describeVolumes([]), 'no volumes mounted\n');
});
