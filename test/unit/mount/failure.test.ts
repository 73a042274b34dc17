import test from 'ava';
import { type ErrorClass, errorClasses, failureAsJson, type MounterError } from '../../../src/errors.ts';
import type { Outcome } from '../../../src/host/host.ts';
import { classOfWords, explainFailure } from '../../../src/mount/failure/explain.ts';
import type { SecurityPurpose } from '../../../src/mount/filesystems/filesystem-driver.ts';
import { errorLines, glusterfsFailureTexts } from '../../../src/mount/filesystems/glusterfs/failure.ts';
import { hintFor } from '../../../src/mount/filesystems/hints.ts';
import { nfsFailureTexts } from '../../../src/mount/filesystems/nfs/failure.ts';
import type { ProbeFailure } from '../../../src/mount/probe/probe-failure.ts';
import type { HostModel } from '../../support/model/host-model.ts';
import { contextOf, layout, planFor, preparedNode, target } from '../../support/model/node-model.ts';

const texts = { nfs: nfsFailureTexts, glusterfs: glusterfsFailureTexts } as const;

/** As helpers of several versions said them; `T` is the target. */
const said: readonly (readonly ['nfs' | 'glusterfs', ErrorClass | undefined, string])[] = [
  // 1.2.8, with its third line; 2.6.2; with a complaint of start-statd before it.
  [
    'nfs',
    'lock-service',
    "mount.nfs: rpc.statd is not running but is required for remote locking.\nmount.nfs: Either use '-o nolock' to keep locks local, or start statd.\nmount.nfs: an incorrect mount option was specified",
  ],
  [
    'nfs',
    'lock-service',
    "/usr/sbin/start-statd: 23: systemctl: not found\nmount.nfs4: rpc.statd is not running but is required for remote locking.\nmount.nfs4: Either use '-o nolock' to keep locks local, or start statd.\nmount.nfs4: Protocol not supported",
  ],
  ['nfs', 'bad-option', 'mount.nfs: an incorrect mount option was specified'],
  ['nfs', 'bad-option', 'mount.nfs: an incorrect mount option was specified for T'],
  ['nfs', 'bad-option', "mount.nfs: parsing error on 'vers=' option"],
  ['nfs', 'bad-option', "mount.nfs: Failed to find 'sctp' protocol"],
  ['nfs', 'bad-option', 'mount.nfs: unknown security type 9'],
  ['nfs', 'usage', 'mount.nfs: export pathname is too long'],
  ['nfs', 'usage', "mount.nfs: remote share not in 'host:dir' format"],
  ['nfs', 'usage', 'mount.nfs: NFS URLs are not supported'],
  ['nfs', 'name-resolution', 'mount.nfs: Failed to resolve server h: Name or service not known'],
  ['nfs', 'name-resolution', 'mount.nfs: Failed to resolve server h: Temporary failure in name resolution'],
  ['nfs', 'name-resolution', 'mount.nfs: Resource temporarily unavailable'],
  ['nfs', 'name-resolution', 'mount.nfs: Resource temporarily unavailable for h:/x on T'],
  ['nfs', 'access-denied', 'mount.nfs: access denied by server while mounting h:/x'],
  ['nfs', 'access-denied', 'mount.nfs: Operation not permitted'],
  ['nfs', 'access-denied', 'mount.nfs: Operation not permitted for h:/x on T'],
  ['nfs', 'access-denied', 'mount.nfs: h:/x failed, reason given by server: Permission denied'],
  [
    'nfs',
    'no-such-export',
    'mount.nfs: mounting h:/x failed, reason given by server: No such file or directory',
  ],
  [
    'nfs',
    'no-such-export',
    'mount.nfs: mounting h:/x failed, reason given by server:\n  No such file or directory',
  ],
  ['nfs', 'no-such-export', 'mount.nfs: mount spec h:/x/file or point T is not a directory'],
  ['nfs', 'version-not-offered', 'mount.nfs: requested NFS version or transport protocol is not supported'],
  ['nfs', 'version-not-offered', 'mount.nfs4: Protocol not supported for h:/x on T'],
  [
    'nfs',
    'version-not-offered',
    "mount.nfs: mount to NFS server 'h' failed: RPC Error: Program not registered",
  ],
  ['nfs', 'mount-point', 'mount.nfs: mount point T does not exist'],
  ['nfs', 'mount-point', 'mount.nfs: mount point T is not a directory'],
  ['nfs', 'busy', 'mount.nfs: T is busy or already mounted'],
  ['nfs', 'busy', 'mount.nfs: T is busy or already mounted or sharecache fail'],
  ['nfs', 'stale', 'mount.nfs: Stale file handle'],
  ['nfs', 'stale', 'mount.nfs: Stale NFS file handle'],
  ['nfs', 'connection-refused', 'mount.nfs: Connection refused for h:/x on T'],
  ['nfs', 'no-route', 'mount.nfs: No route to host'],
  ['nfs', 'no-route', 'mount.nfs: Network is unreachable'],
  ['nfs', 'server-silent', 'mount.nfs: Connection timed out'],
  ['nfs', 'server-silent', "mount.nfs: mount to NFS server 'h' failed: timed out, giving up"],
  ['nfs', 'node', 'mount.nfs: No such device'],
  ['nfs', undefined, 'mount.nfs: mount system call failed for T'],
  // 2.8.3, utils/mount/error.c: nearly all lines end with what they are about.
  [
    'nfs',
    'version-not-offered',
    'mount.nfs: requested NFS version or transport protocol is not supported for T',
  ],
  ['nfs', 'stale', 'mount.nfs: Stale file handle for h:/x on T'],
  ['nfs', 'no-such-export', 'mount.nfs: File name too long for h:/x on T'],
  ['nfs', 'no-route', 'mount.nfs: No route to host for h:/x on T'],
  ['nfs', 'no-route', 'mount.nfs: Protocol error: is routing being done via an interface supporting RDMA?'],
  ['nfs', 'server-silent', 'mount.nfs4: Connection timed out for h:/x on T'],
  ['nfs', 'node', 'mount.nfs: No such device for h:/x on T'],
  ['nfs', undefined, 'mount.nfs: Protocol error'],
  ['nfs', undefined, 'mount.nfs: encountered unexpected error condition for T.'],
  ['glusterfs', 'bad-option', 'Invalid option foo'],
  ['glusterfs', 'bad-option', 'Invalid option: foo'],
  [
    'glusterfs',
    'bad-option',
    '[2026-11-28 22:58:33.226742 +0000] E [mount.c:510:gf_fuse_mount] 0-glusterfs-fuse: mount of s:v1 to T/ (default_permissions,nodiratime,allow_other,max_read=131072) failed',
  ],
  [
    'glusterfs',
    'no-route',
    '[2026-11-28 22:17:13.023424 +0000] E [socket.c:3539:socket_connect] 0-glusterfs: connection attempt on  failed, (Invalid argument)',
  ],
  ['glusterfs', 'bad-option', 'Invalid option auto_unmount'],
  ['glusterfs', 'usage', 'ERROR: Server name/volume name unspecified cannot proceed further..'],
  ['glusterfs', 'mount-point', 'ERROR: Mount point does not exist'],
  ['glusterfs', 'bad-option', 'glusterfs: unknown negative timeout abc\nMounting glusterfs on T failed.'],
  [
    'glusterfs',
    'no-such-export',
    'Mount failed. Check the log file  for more details.\n[2020-10-22 00:30:27.712047] E [MSGID: 114044] [client-handshake.c:757:client_setvolume_cbk] 0-v-client-0: SETVOLUME on remote-host failed [{remote-error=subdirectory for mount "/d" is not found}, {errno=2}, {error=No such file or directory}]\n[2020-10-22 00:30:27.712076] E [fuse-bridge.c:6495:notify] 0-fuse: Server authentication failed. Shutting down.',
  ],
  [
    'glusterfs',
    'access-denied',
    'Mount failed. Check the log file  for more details.\n[2020-10-22 00:30:27.712076] E [fuse-bridge.c:6495:notify] 0-fuse: Server authentication failed. Shutting down.',
  ],
  ['glusterfs', 'busy', '/sbin/mount.glusterfs: according to mtab, GlusterFS is already mounted on T'],
  [
    'glusterfs',
    'name-resolution',
    'Mount failed. Check the log file  for more details.\n[2022-12-13 09:27:57.185649 +0000] E [name.c:267:af_inet_client_get_remote_sockaddr] 0-vol2-client-0: DNS resolution failed on host h',
  ],
  [
    'glusterfs',
    'no-such-export',
    'Mounting glusterfs on T failed.\n[2018-11-05 08:15:53.655725] E [glusterfsd-mgmt.c:1925:mgmt_getspec_cbk] 0-mgmt: failed to fetch volume file (key:v)',
  ],
  // 10.3 and 11.1: xlators/mount/fuse/src/fuse-bridge.c (notify), rpc-transport/socket/src/name.c.
  [
    'glusterfs',
    'access-denied',
    'Mount failed. Check the log file  for more details.\n[2022-10-22 00:30:27.712076 +0000] E [fuse-bridge.c:6513:notify] 0-fuse: Server authenication failed. Shutting down.',
  ],
  [
    'glusterfs',
    'name-resolution',
    'Mounting glusterfs on T failed.\n[2026-11-29 01:29:52.870127 +0000] E [MSGID: 101073] [name.c:254:gf_resolve_ip6] 0-resolver: error in getaddrinfo [{family=0}, {ret=Name or service not known}] \n[2026-11-29 01:29:52.870134 +0000] E [name.c:383:af_inet_client_get_remote_sockaddr] 0-glusterfs: DNS resolution failed on host h',
  ],
  ['glusterfs', undefined, 'Mounting glusterfs on T failed.'],
];

for (const [kind, errorClass, words] of said) {
  test(`${errorClass}: ${words.replaceAll('\n', ' | ')}`, (t) => {
    t.is(classOfWords(texts[kind], `${words.replaceAll(/\bT\b/g, target)}\n`), errorClass);
  });
}

test('words that a source or a target brings along decide nothing', (t) => {
  const source = 'h:/Connection refused/parsing error on ';
  const at = '/var/lib/kubelet/rpc.statd is not running';
  for (const [words, errorClass] of [
    [`mount.nfs: access denied by server while mounting ${source}\n`, 'access-denied'],
    [`mount.nfs: Stale file handle for ${source} on ${at}\n`, 'stale'],
    [`mount.nfs: ${at} is busy or already mounted\n`, 'busy'],
    [`mount.nfs: mount system call failed for ${at}\n`, undefined],
  ] as const)
    t.is(classOfWords(texts.nfs, words, { source, target: at }), errorClass, words);
});

test('words that any name of a source or an option brings along decide nothing', (t) => {
  const time = '[2023-05-04 08:15:43.123456 +0000] E';
  for (const [fstype, source, options, words, errorClass] of [
    ['nfs', 'timed out:/x', '', 'mount.nfs: Failed to find server timed out\n', undefined],
    ['nfs', 'h:/x', 'a=No such device', 'mount.nfs: strange a=No such device\n', undefined],
    ['glusterfs', 'h:AUTH_FAILED', '', `${time} [a.c:1:f] 0-mgmt: key:AUTH_FAILED is odd\n`, undefined],
    ['nfs', 'h:/Connection refused', '', 'mount.nfs: there is no /Connection refused\n', undefined],
    [
      'glusterfs',
      'h:AUTH_FAILED',
      '',
      `${time} [a.c:1:f] 0-mgmt: failed to fetch volume file (key:AUTH_FAILED)\n`,
      'no-such-export',
    ],
    [
      'nfs',
      'server:/x',
      '',
      'mount.nfs: access denied by server while mounting server:/x\n',
      'access-denied',
    ],
  ] as const) {
    const plan = planFor('-t', fstype, ...(options === '' ? [] : ['-o', options]), source, target);
    t.is(classOfWords(texts[fstype], words, plan), errorClass, words);
  }
});

interface Given {
  readonly outcome: Partial<Outcome>;
  readonly probeFailure?: ProbeFailure;
  readonly host?: HostModel;
  readonly fstype?: 'nfs' | 'glusterfs';
  readonly options?: string;
  readonly bytesBefore?: number;
  readonly purpose?: SecurityPurpose;
  readonly source?: string;
}

async function explain({
  outcome,
  probeFailure,
  host = preparedNode(),
  fstype = 'nfs',
  options = '',
  bytesBefore = 0,
  purpose,
  source = fstype === 'nfs' ? '10.0.0.5:/x' : '10.0.0.5:vol',
}: Given): Promise<MounterError> {
  const plan = planFor('-t', fstype, ...(options === '' ? [] : ['-o', options]), source, target);
  const context = contextOf(host);
  const service = purpose && (await plan.driver.provideSecurity(purpose, plan, context));
  const failure = {
    plan,
    outcome: { status: 32, endedBy: 'itself', output: '', ...outcome } as const,
    probeFailure,
    startedMs: 0,
    logBefore: { inode: 0, size: bytesBefore },
    services: service === undefined ? [] : [service],
  };
  return explainFailure(failure, context);
}

test('what was done decides, whatever the helper says', async (t) => {
  const output = 'mount.nfs: access denied by server while mounting 10.0.0.5:/x\n';
  const probeFailure: ProbeFailure = {
    kind: 'unreachable',
    server: '10.0.0.5',
    address: '10.0.0.5',
    port: 2049,
    connection: 'silent',
    waitedMs: 5004,
  };
  const cases = [
    [{ endedBy: 'interrupt', status: 143, output }, 'interrupted', 8, /interrupted while mounting/],
    [{ endedBy: 'deadline', status: 143, output }, 'deadline', 32, /within 110 s and was ended/],
    [{ endedBy: 'watchdog', status: 143, output }, 'server-silent', 32, /TCP port 2049 within 5 s$/],
    [{ status: 127, output: 'chroot: failed to run command\n' }, 'helper-missing', 127, /failed to mount/],
    [{ status: 126 }, 'helper-missing', 126, /failed to mount/],
    [{ status: 125 }, 'node', 2, /failed to mount/],
    [{ output }, 'access-denied', 32, /failed to mount/],
    [{ status: 137 }, 'unknown', 32, /was ended by signal 9 while it mounted/],
  ] as const;
  for (const [outcome, errorClass, status, message] of cases) {
    const error = await explain({ outcome, probeFailure });
    t.is(error.errorClass, errorClass);
    t.is(error.status, status);
    t.regex(error.message, message);
    t.is(error.subject, target);
    t.is(error.helperOutput, 'output' in outcome ? outcome.output : '', 'the helper’s words are whole');
  }
});

test('what is left mounted on the target is not asked for its status: its server may never answer', async (t) => {
  const host = preparedNode();
  const asked: string[] = [];
  for (const call of ['lstat', 'stat'] as const)
    host[call] = (path: string) => {
      asked.push(path);
      return host.files.get(path);
    };
  const error = await explain({ host, outcome: { output: 'mount.nfs: access denied by server\n' } });
  t.is(error.errorClass, 'access-denied');
  t.false(asked.includes(target));
  host.files.delete(target);
  t.regex((await explain({ host, outcome: {} })).message, /the target is gone$/);
});

test('ENOSPC is mount-max where the table of mounts is full, and the server’s disk where not', async (t) => {
  const output = 'mount.nfs: No space left on device\n';
  for (const [mounts, errorClass] of [
    [99_990, 'mount-max'],
    [50_000, 'unknown'],
  ] as const) {
    const host = preparedNode();
    host.texts.set('/proc/sys/fs/mount-max', '100000\n').set('/proc/self/mountinfo', 'line\n'.repeat(mounts));
    t.is((await explain({ host, outcome: { output } })).errorClass, errorClass);
  }
});

test('ENOSPC where no mount namespace is allowed: NFSv4 needs one', async (t) => {
  const host = preparedNode();
  host.texts.set('/proc/sys/user/max_mnt_namespaces', '0\n');
  const error = await explain({ host, outcome: { output: 'mount.nfs: No space left on device\n' } });
  t.is(error.errorClass, 'node');
  t.regex(error.hint ?? '', /user\.max_mnt_namespaces/);
});

test('a v3 mount without netconfig: the rootfs is blamed, not the server', async (t) => {
  const outcome = { output: 'mount.nfs: Protocol not supported\n' };
  const host = preparedNode();
  for (const name of ['services', 'protocols']) host.file(`${layout.rootfs}/etc/${name}`);
  t.like(await explain({ host, outcome }), {
    errorClass: 'node',
    hint: '/etc/netconfig is missing in the rootfs: run mounter install SOURCE again, with the SOURCE that mounter versions shows, where no node agent does so by itself',
  });
  host.file(`${layout.rootfs}/etc/netconfig`);
  t.is((await explain({ host, outcome })).errorClass, 'version-not-offered');
});

test('glusterfs: the log’s last error lines follow the helper’s words, and the server is asked', async (t) => {
  const host = preparedNode();
  const lines = ['one', 'two', 'three'].map(
    (word) => `[2023-05-04 08:15:43.123456 +0000] E [a.c:1:f] 0-mgmt: ${word}`,
  );
  const name = `${target.slice(1).replaceAll('/', '-')}.log`;
  host.texts.set(`/var/log/containerized-mounter/glusterfs/${name}`, `${lines.join('\n')}\n`);
  host.onConnect = () => ['refused', 1];
  const output = 'Mounting glusterfs on /m failed.\n';
  const error = await explain({ host, fstype: 'glusterfs', outcome: { status: 1, output } });
  t.is(error.helperOutput, `${output}${lines[1]}\n${lines[2]}\n`);
  t.is(error.errorClass, 'connection-refused');
  t.is(error.status, 1);
  t.deepEqual(host.commands, [], 'no program is run for it');
});

test('glusterfs: of the log that log-file= names', async (t) => {
  const path = '/var/lib/kubelet/plugins/kubernetes.io/glusterfs/v/p-glusterfs.log';
  const line = `[2023-05-04 08:15:43.123456 +0000] E [glusterfsd-mgmt.c:1925:mgmt_getspec_cbk] 0-mgmt: failed to fetch volume file\n`;
  const host = preparedNode();
  const before = line.replace('volume file', 'volume file, by the call before');
  host.texts.set(path, `x${'y'.repeat(40_000)}\n${before}${line}`);
  const error = await explain({
    host,
    bytesBefore: 40_002 + before.length,
    fstype: 'glusterfs',
    options: `log-file=${path}`,
    outcome: { status: 1 },
  });
  t.is(error.helperOutput, line);
  t.is(error.errorClass, 'no-such-export');
});

test('glusterfs: a log that cannot be read hides no failure', async (t) => {
  const host = preparedNode();
  host.readEnd = () => {
    throw Object.assign(new Error('EIO'), { code: 'EIO', syscall: 'read' });
  };
  const output = 'Mounting glusterfs on /m failed.\n';
  t.is((await explain({ host, fstype: 'glusterfs', outcome: { status: 1, output } })).helperOutput, output);
});

for (const [said, reason, hint] of [
  ['no keytab', /has no keytab/, /put a keytab/],
  ['no suitable key', /has no key of nfs\/HOST/, /put a keytab/],
  [
    "nfs/n@R: kinit: Client 'nfs/n@R' not found in Kerberos database while getting initial credentials",
    /the KDC does not know nfs\/n@R,/,
    /kadmin -q 'addprinc -randkey nfs\/n@R' on the KDC, then kadmin -q 'ktadd -k node.keytab nfs\/n@R' on the KDC/,
  ],
  [
    'host/n@R: kinit: Preauthentication failed while getting initial credentials',
    /does not take the key/,
    /ktadd/,
  ],
  [
    "nfs/n@R: kinit: Client's entry in database has expired while getting",
    /has expired/,
    /modprinc -expire never/,
  ],
  ['nfs/n@R: kinit: Cannot find KDC for realm "R" while getting', /no KDC is known/, /\[realms\]/],
  ["nfs/n@R: kinit: Cannot contact any KDC for realm 'R' while getting", /does not answer/, /port 88/],
  ['nfs/n@R: kinit: no answer', /the KDC of nfs\/n@R does not answer/, /port 88/],
  ['nfs/n@R: kinit: Clock skew too great while getting initial credentials', /the clock/, /NTP/],
  [
    'nfs/n@R: kvno: Server nfs/srv@R not found in Kerberos database while getting credentials',
    /the KDC does not know nfs\/10\.0\.0\.5/,
    /addprinc/,
  ],
  ['nfs/n@R: nfs/srv@R: kvno = 3', /has a ticket for nfs\/10\.0\.0\.5, which the server/, /exportfs -v/],
  ['nfs/n@R: kinit: Something else', /no ticket could be had: .*Something else/, /exportfs -v/],
] as const)
  test(`Kerberos: ${said}`, async (t) => {
    const host = preparedNode();
    host.onRun = ({ argv }) => ({ output: argv.includes('try-kerberos') ? `${said}\n` : '' });
    const outcome = { output: 'mount.nfs: access denied by server while mounting srv:/x\n' };
    const error = await explain({ host, outcome, options: 'vers=4.2,sec=krb5p', purpose: 'kerberos' });
    t.is(error.errorClass, 'kerberos');
    t.regex(error.message, reason);
    t.regex(error.hint ?? '', hint);
  });

for (const name of ['expired.example', 'no-answer-default-realm', 'a.kinit:'])
  test(`Kerberos: a server or a node that is called ${name} has no part in the reason`, async (t) => {
    const explained = async (said: string) => {
      const host = preparedNode();
      host.onRun = ({ argv }) => ({ output: argv.includes('try-kerberos') ? `${said}\n` : '' });
      const source = `${name.replace(':', '')}:/x: Permission denied`;
      const outcome = { output: `mount.nfs: access denied by server while mounting ${source}\n` };
      const given = { host, outcome, options: 'sec=krb5', source };
      return (await explain({ ...given, purpose: 'kerberos' })).message.slice(outcome.output.length - 20);
    };
    const unknown = `kvno: Server nfs/${name}@R not found in Kerberos database while getting credentials for nfs/${name}@R`;
    t.regex(await explained(`nfs/n@R: ${unknown}`), /the KDC does not know nfs\//);
    t.regex(await explained(`nfs/${name}@R: kinit: Clock skew too great while getting`), /the clock of/);
    const gone = `kinit: Client 'nfs/${name}@R' not found in Kerberos database while getting`;
    t.regex(await explained(`nfs/${name}@R: ${gone}`), /the KDC does not know nfs\/.*has a key of/);
    t.regex(await explained(`nfs/n@R: nfs/${name}@R: kvno = 3`), /n@R has a ticket for nfs\//);
    const late = "kvno: Server's entry in database has expired while getting credentials";
    t.regex(await explained(`nfs/n@R: ${late}`), /the account of nfs\/.* has expired/);
  });

test('Kerberos: where sys was asked for as well, a slow mount goes on, and a refusal need not be of Kerberos', async (t) => {
  const host = preparedNode();
  let said = 'nfs/n@R: kinit: no answer\n';
  host.onRun = ({ argv }) => ({ output: argv.includes('try-kerberos') ? said : '' });
  const watched = async (options: string) => {
    const plan = planFor('-t', 'nfs', '-o', options, 'srv:/x', target);
    const service = await plan.driver.provideSecurity('kerberos', plan, contextOf(host));
    return (await service?.watch(new AbortController().signal))?.kind;
  };
  t.is(await watched('sec=krb5:krb5i'), 'service');
  t.is(await watched('sec=sys:krb5'), undefined);
  const outcome = { output: 'mount.nfs: access denied by server while mounting 10.0.0.5:/x\n' };
  const refused = () => explain({ host, outcome, options: 'sec=krb5:sys', purpose: 'kerberos' });
  t.like(await refused(), { errorClass: 'kerberos' });
  t.regex((await refused()).hint ?? '', /port 88.*; or write sec=sys alone/);
  said = 'nfs/n@R: nfs/srv@R: kvno = 3\n';
  t.like(await refused(), { errorClass: 'access-denied' });
});

test('TLS: what an export is called has no part in the reason', async (t) => {
  const host = preparedNode();
  const source = 'srv:/a: No such process: Permission denied';
  const outcome = { output: `mount.nfs: Connection refused for ${source} on ${target}\n` };
  const stat = '985 (tlshd) S 914 985 985 0';
  host.processList = [
    {
      pid: 985,
      name: 'tlshd',
      executable: '/usr/sbin/tlshd',
      root: '/',
      mountNamespace: undefined,
      isInOurNetwork: true,
    },
  ];
  host.texts.set('/proc/985/stat', stat);
  host.texts.set('/proc/985/status', 'Uid:\t0\t0\t0\t0\nCapEff:\t000001ffffffffff\n');
  host.texts.set('/proc/net/netlink', '000000005736385a 16  985 00000040 0 0 0 2 0 422\n');
  const error = await explain({ host, outcome, source, options: 'vers=4.2,xprtsec=tls', purpose: 'tls' });
  t.is(error.errorClass, 'connection-refused');
});

test('Kerberos: a hint names the files that rpc.gssd reads, as the script says them', async (t) => {
  const places = "keytab: /srv/the node's.keytab\nconfig: /srv/krb5.conf\n";
  const explained = async (said: string) => {
    const host = preparedNode();
    host.onRun = ({ argv }) => ({ output: argv.includes('try-kerberos') ? `${places}${said}\n` : '' });
    const outcome = { output: 'mount.nfs: access denied by server while mounting srv:/x\n' };
    const { message, hint } = await explain({ host, outcome, options: 'sec=krb5', purpose: 'kerberos' });
    return `${message} ${hint}`;
  };
  for (const said of ['no keytab', 'no suitable key', 'nfs/n@R: kinit: Preauthentication failed while'])
    t.regex(await explained(said), /put (a|node\.)[^;]* \/srv\/the node's\.keytab/);
  t.regex(await explained('no keytab'), /has no keytab at \/srv\/the node's\.keytab,/);
  t.regex(
    await explained('nfs/n@R: kinit: Decrypt integrity check failed while'),
    /klist -k '\/proc\/1\/root\/srv\/the node'\\''s\.keytab'/,
  );
  t.regex(await explained('nfs/n@R: kinit: Cannot find KDC for realm "R" while'), / of \/srv\/krb5\.conf,/);
  t.regex(await explained('nfs/n@R: kinit: no answer'), /the KDC that \/srv\/krb5\.conf names/);
});

test('glusterfs: what was found while it still ran is not asked again', async (t) => {
  const host = preparedNode();
  host.onConnect = () => ['silent', 10_000];
  const probeFailure: ProbeFailure = {
    kind: 'unreachable',
    server: '10.0.0.5',
    address: '10.0.0.5',
    port: 24007,
    connection: 'noRoute',
    waitedMs: 3100,
  };
  const output = 'Mounting glusterfs on /m failed.\n';
  const error = await explain({ host, fstype: 'glusterfs', outcome: { status: 1, output }, probeFailure });
  t.is(error.errorClass, 'no-route');
  t.deepEqual(host.connections, []);
});

test('a question that fails does not hide the failure', async (t) => {
  const host = preparedNode();
  host.run = () => Promise.reject(new Error('fork: Resource temporarily unavailable'));
  host.onConnect = () => {
    throw new Error('no descriptor left');
  };
  const output = 'Mounting glusterfs on /m failed.\n';
  const error = await explain({ host, fstype: 'glusterfs', outcome: { status: 1, output } });
  t.like(error, { errorClass: 'unknown', status: 1, helperOutput: output });
});

test('of a log only glusterfs’s own lines', (t) => {
  const log = [
    '[2023-05-04 08:15:43.000000 +0000] I [a.c:1:f] 0-mgmt: no error',
    'root:x:0:0:root:/root:/bin/bash',
    '[2023-05-04 08:15:43.000000 +0000] E [MSGID: 101075] [a.c:1:f] 0-mgmt: after',
    '[2023-05-04 08:15:44.123456] C [a.c:1:f] 0-mgmt: as versions before 7 wrote it',
    'cut off',
  ].join('\n');
  t.is(
    errorLines(log),
    '[2023-05-04 08:15:43.000000 +0000] E [MSGID: 101075] [a.c:1:f] 0-mgmt: after\n[2023-05-04 08:15:44.123456] C [a.c:1:f] 0-mgmt: as versions before 7 wrote it\n',
  );
  t.is(errorLines(''), '');
});

test('of a log no line that is about glusterfs’s own end', (t) => {
  const line = (where: string, words: string) => `[2023-05-04 08:15:43.000000 +0000] E ${where} ${words}`;
  const reason = line('[MSGID: 101075] [a.c:1:f]', '0-mgmt: failed to fetch volume file');
  const noise = [
    line('[mount.c:46:gf_fuse_unmount]', '0-glusterfs-fuse: fuse: Effective-uid: 2147400107'),
    line('[MSGID: 1] [mount.c:46:gf_fuse_unmount]', '0-glusterfs-fuse: fuse: failed to unmount /m: EPERM'),
    line('[fuse.c:1:g]', '0-fuse: Assertion failed: To attach gdb and coredump, Run the script'),
  ];
  t.is(errorLines([reason, ...noise].join('\n')), `${reason}\n`);
  const quoting = line('[a.c:1:f]', '0-mgmt: [mount.c:46:gf_fuse_unmount] is what the server says');
  t.is(errorLines(quoting), `${quoting}\n`);
});

test('what the guard refused a server is told before what glusterfs says of it', (t) => {
  const line = (level: string, words: string) =>
    `[2023-05-04 08:15:43.000000 +0000] ${level} [a.c:1:f] ${words}`;
  const refusal = line('C', '0-mounter: refused by mounter: the volume asks to run a command: id');
  const others = ['one', 'two', 'three'].map((words) => line('E', `0-parser: ${words}`));
  const log = [refusal, ...others].join('\n');
  t.is(errorLines(log), `${refusal}\n${others[2]}\n`);
  t.is(errorLines([...others, refusal].join('\n')), `${others[2]}\n${refusal}\n`);
  const forged = line('E', '0-parser: a volume of ] 0-mounter: refused by mounter: nothing');
  t.is(errorLines([forged, ...others].join('\n')), `${others[1]}\n${others[2]}\n`);
  t.is(classOfWords(texts.glusterfs, refusal), 'policy');
  t.is(classOfWords(texts.glusterfs, forged), undefined);
});

test('every class has a hint of one line that can be pasted, or none', (t) => {
  const silentOnes: readonly ErrorClass[] = ['policy', 'interrupted', 'internal'];
  for (const kind of ['nfs', 'glusterfs'] as const) {
    for (const errorClass of errorClasses) {
      const hint = hintFor(errorClass, texts[kind].hints, {
        source: 's',
        target,
        server: "srv';reboot #",
        rootfs: layout.rootfs,
        mountSeconds: 110,
        logFile: kind === 'glusterfs' ? '/var/log/v.log' : undefined,
        probeFailure: undefined,
        options: '',
      });
      if (silentOnes.includes(errorClass)) t.is(hint, undefined);
      else t.regex(hint ?? '', /^[^\n]{10,}[^.]$/, errorClass);
      t.false((hint ?? '').replaceAll(`'srv'\\'';reboot #'`, '').includes('reboot'), hint);
    }
  }
});

test('the failure for programs is one line of JSON', async (t) => {
  const error = await explain({ outcome: { output: 'mount.nfs: Stale file handle\n' } });
  const text = failureAsJson(error);
  t.is(text.indexOf('\n'), text.length - 1);
  t.deepEqual(Object.keys(JSON.parse(text)), [
    'formatVersion',
    'class',
    'status',
    'isRemembered',
    'subject',
    'message',
    'hint',
    'helperOutput',
  ]);
  t.is(JSON.parse(text).class, 'stale');
});
