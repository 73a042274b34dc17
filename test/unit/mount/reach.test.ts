import test from 'ava';
import type { Connection } from '../../../src/host/mount-host.ts';
import { parseRegistrations } from '../../../src/mount/filesystems/nfs/registrations.ts';
import { examine } from '../../../src/mount/probe/examine.ts';
import type { HostModel } from '../../support/model/host-model.ts';
import {
  addresses6,
  contextOf,
  layout,
  planFor,
  preparedNode,
  target,
} from '../../support/model/node-model.ts';

const registered = `   program vers proto   port  service
    100000    4   tcp    111  portmapper
    100003    3   tcp   2049  nfs
    100003    4   tcp   2049  nfs
    100005    3   udp  40000  mountd
    100005    3   tcp  40001  mountd
`;

interface World {
  /** What getent prints for a name; without it the name is unknown. */
  readonly names?: Readonly<Record<string, string>>;
  /** 'silent': the name servers. */
  readonly dns?: 'silent';
  /** `ADDRESS:PORT` or `ADDRESS` → what comes of it; open if left out. */
  readonly ports?: Readonly<Record<string, Connection>>;
  /** What rpcinfo -p prints; it fails if left out. */
  readonly rpcbind?: string;
  /** /proc/net/if_inet6. */
  readonly ipv6?: string | undefined;
  /** The names are told to whoever asks for addresses that this node does not have. */
  readonly isHidden?: boolean;
}

const bothFamilies = 'fd00::5 STREAM srv\nfd00::5 DGRAM\n10.0.0.6 STREAM\n';

function world({ names = {}, dns, ports = {}, rpcbind, ipv6 = addresses6, isHidden }: World): HostModel {
  const host = preparedNode();
  if (ipv6 !== undefined) host.texts.set('/proc/net/if_inet6', ipv6);
  host.durationOf = ({ argv }) => (dns === 'silent' && argv.includes('getent') ? 20_000 : 10);
  host.onRun = ({ argv }) => {
    if (argv.includes('getent')) {
      const output = isHidden && !argv.includes('--no-addrconfig') ? undefined : names[argv.at(-1) ?? ''];
      return output === undefined ? { status: 2 } : { output };
    }
    if (argv.includes('rpcinfo') && argv.includes('-p'))
      return rpcbind === undefined ? { status: 1 } : { output: rpcbind };
    return {};
  };
  host.onConnect = (address, port) => {
    const connection = ports[`${address}:${port}`] ?? ports[address] ?? 'open';
    return connection === 'silent' ? ['silent', 1e9] : [connection, connection === 'noRoute' ? 3000 : 1];
  };
  return host;
}

async function ask(host: HostModel, fstype: string, options: string, source: string) {
  const list = options === '' ? [] : ['-o', options];
  const plan = planFor('-t', fstype, ...list, source, target);
  return examine(plan, contextOf(host), host.over.signal);
}

const nfs = (host: HostModel, options: string, source = '10.0.0.5:/x') => ask(host, 'nfs', options, source);

const refusals: readonly (readonly [
  title: string,
  world: World,
  options: string,
  source: string,
  expected: object | undefined,
])[] = [
  ['v4, open', {}, 'vers=4', '10.0.0.5:/x', undefined],
  [
    'v4, closed',
    { ports: { '10.0.0.5': 'refused' } },
    'vers=4',
    '10.0.0.5:/x',
    { connection: 'refused', port: 2049 },
  ],
  ['v4, silent', { ports: { '10.0.0.5': 'silent' } }, 'v4.1', '10.0.0.5:/x', { connection: 'silent' }],
  ['v4 by IPv6', { ports: { 'fd00::5': 'noRoute' } }, 'vers=4', '[fd00::5]:/x', { connection: 'noRoute' }],
  [
    'v4 by IPv6, which is off',
    { ports: { 'fd00::5': 'noFamily' }, ipv6: '' },
    'vers=4',
    '[fd00::5]:/x',
    { connection: 'noFamily' },
  ],
  [
    'v4 by IPv6, with link-local addresses alone',
    { ports: { 'fd00::5': 'noRoute' }, ipv6: addresses6.replace(/fd00.*\n/, '') },
    'vers=4',
    '[fd00::5]:/x',
    { connection: 'noFamily' },
  ],
  [
    'every port of this node in use',
    { ports: { 'fd00::5': 'noFamily' } },
    'vers=4',
    '[fd00::5]:/x',
    undefined,
  ],
  [
    'a firewall of this node',
    { ports: { '10.0.0.5': 'forbidden' } },
    'vers=4',
    '10.0.0.5:/x',
    { port: 2049 },
  ],
  ['port=', { ports: { '10.0.0.5:20049': 'refused' } }, 'vers=4,port=20049', '10.0.0.5:/x', { port: 20049 }],
  ['port=0 is not ours to judge', { ports: { '10.0.0.5': 'refused' } }, 'port=0', '10.0.0.5:/x', undefined],
  ['port=x neither', { ports: { '10.0.0.5': 'refused' } }, 'port=x', '10.0.0.5:/x', undefined],
  ['RDMA', { ports: { '10.0.0.5': 'refused' } }, 'proto=rdma', '10.0.0.5:/x', undefined],
  ['RDMA by its own name', { ports: { '10.0.0.5': 'refused' } }, 'rdma', '10.0.0.5:/x', undefined],
  ['UDP', { ports: { '10.0.0.5': 'refused' } }, 'vers=3,udp', '10.0.0.5:/x', undefined],
  [
    'TCP after UDP',
    { ports: { '10.0.0.5': 'refused' } },
    'vers=4,udp,proto=tcp',
    '10.0.0.5:/x',
    { port: 2049 },
  ],
  ['our own failure says nothing', { ports: { '10.0.0.5': 'unknown' } }, 'vers=4', '10.0.0.5:/x', undefined],
  ['v3, all there', { rpcbind: registered }, 'vers=3,nolock', '10.0.0.5:/x', undefined],
  ['v3, rpcbind closed', { ports: { '10.0.0.5:111': 'refused' } }, 'vers=3', '10.0.0.5:/x', { port: 111 }],
  ['v3, rpcbind that says nothing', {}, 'vers=3,nolock', '10.0.0.5:/x', undefined],
  [
    'v3, not registered',
    { rpcbind: ' 100005 3 tcp 4 mountd\n 100003 4 tcp 2049 nfs\n' },
    'vers=3',
    '10.0.0.5:/x',
    { kind: 'notRegistered', service: 'nfs' },
  ],
  [
    'v3, no mountd',
    { rpcbind: ' 100003 3 tcp 2049 nfs\n' },
    'vers=3',
    '10.0.0.5:/x',
    { kind: 'notRegistered', service: 'mountd' },
  ],
  [
    'v3, a firewall before mountd',
    { rpcbind: registered, ports: { '10.0.0.5:40001': 'silent' } },
    'vers=3',
    '10.0.0.5:/x',
    { port: 40001, connection: 'silent' },
  ],
  [
    'v3, mountd by UDP',
    { rpcbind: registered, ports: { '10.0.0.5:40001': 'silent' } },
    'vers=3,nolock,mountproto=udp',
    '10.0.0.5:/x',
    undefined,
  ],
  [
    'v3, both ports and the transport given: rpcbind is not needed',
    { ports: { '10.0.0.5:111': 'refused' } },
    'vers=3,nolock,port=2049,mountport=4,proto=tcp',
    '10.0.0.5:/x',
    undefined,
  ],
  [
    'v3, both ports given, and no transport: mount.nfs asks rpcbind all the same',
    { ports: { '10.0.0.5:111': 'refused' } },
    'vers=3,nolock,port=2049,mountport=4',
    '10.0.0.5:/x',
    { port: 111 },
  ],
  [
    'v3, a port given that rpcbind does not know',
    { rpcbind: registered },
    'vers=3,nolock,port=12049',
    '10.0.0.5:/x',
    { kind: 'notRegistered', service: 'nfs' },
  ],
  [
    'v3, a port given that rpcbind knows',
    { rpcbind: registered },
    'vers=3,nolock,port=2049,mountport=40001',
    '10.0.0.5:/x',
    undefined,
  ],
  [
    'v3, both ports given, one closed',
    { ports: { '10.0.0.5:4': 'refused' } },
    'vers=3,port=2049,mountport=4',
    '10.0.0.5:/x',
    { port: 4 },
  ],
  [
    'no version, v4 closed and v3 there',
    { ports: { '10.0.0.5:2049': 'refused' } },
    '',
    '10.0.0.5:/x',
    undefined,
  ],
  [
    'no version, v3 closed and v4 there',
    { ports: { '10.0.0.5:111': 'refused' } },
    '',
    '10.0.0.5:/x',
    undefined,
  ],
  ['no version, all closed', { ports: { '10.0.0.5': 'refused' } }, '', '10.0.0.5:/x', { port: 2049 }],
  ['an unknown name', {}, 'vers=4', 'srv:/x', { kind: 'unresolved', isSilent: false }],
  [
    'DNS silent, also for RDMA',
    { dns: 'silent' },
    'proto=rdma',
    'srv:/x',
    { kind: 'unresolved', isSilent: true },
  ],
  [
    'one of two addresses refuses',
    { names: { srv: '10.0.0.5 STREAM srv\n10.0.0.6 STREAM\n' }, ports: { '10.0.0.5': 'refused' } },
    'vers=4',
    'srv:/x',
    undefined,
  ],
  [
    'both do: the one that says most is named',
    {
      names: { srv: 'fd00::5 STREAM srv\nfd00::5 DGRAM\n10.0.0.6 STREAM\n' },
      ports: { 'fd00::5': 'noRoute', '10.0.0.6': 'silent' },
    },
    'vers=4',
    'srv:/x',
    {
      server: 'srv',
      address: '10.0.0.6',
      connection: 'silent',
      others: [{ address: 'fd00::5', port: 2049, connection: 'noRoute' }],
    },
  ],
  [
    'the first family is silent, the other is not',
    { names: { srv: bothFamilies }, ports: { 'fd00::5': 'silent' } },
    'vers=4',
    'srv:/x',
    { kind: 'otherFamily', family: 4, others: [{ address: 'fd00::5', port: 2049, connection: 'silent' }] },
  ],
  [
    'the first family refuses: mount.nfs goes on to the other by itself',
    { names: { srv: bothFamilies }, ports: { 'fd00::5': 'refused' } },
    'vers=4',
    'srv:/x',
    undefined,
  ],
  [
    'the second family is silent: the first answers',
    { names: { srv: bothFamilies }, ports: { '10.0.0.6': 'silent' } },
    'vers=4',
    'srv:/x',
    undefined,
  ],
  [
    'the first family is silent, and the options have chosen it',
    { names: { srv: bothFamilies }, ports: { 'fd00::5': 'silent' } },
    'vers=4,proto=tcp6',
    'srv:/x',
    undefined,
  ],
  [
    'a name with IPv6 addresses alone, on a node without',
    { names: { srv: 'fd00::5 STREAM srv\n' }, isHidden: true, ipv6: '', ports: { 'fd00::5': 'noFamily' } },
    'vers=4',
    'srv:/x',
    { kind: 'unreachable', connection: 'noFamily' },
  ],
  [
    'of several names the first',
    { ports: { '10.0.0.5': 'refused' } },
    'vers=4',
    '10.0.0.5,b:/x',
    { port: 2049 },
  ],
  ['no server at all', {}, 'vers=4', 'justahost', undefined],
];

for (const [title, given, options, source, expected] of refusals) {
  test(`NFS: ${title}`, async (t) => {
    const host = world(given);
    const refusal = await nfs(host, options, source);
    if (expected === undefined) t.is(refusal, undefined);
    else t.like(refusal, expected);
    t.true(host.now() <= 6500, `${host.now()} ms`);
  });
}

test('the names are resolved inside the rootfs, with a limit of their own', async (t) => {
  const host = world({ dns: 'silent' });
  await nfs(host, 'vers=4', 'srv:/x');
  t.is(host.commands.length, 1);
  const [command = []] = host.commands;
  t.deepEqual(command.slice(0, 3), ['/usr/bin/chroot', layout.rootfs, 'sh']);
  t.deepEqual(command.slice(-3), ['getent', 'ahosts', 'srv']);
  t.is(host.now(), 5000);
  t.deepEqual(host.connections, []);
});

test('a name that took nearly all the time leaves enough for a lost SYN', async (t) => {
  const host = world({ names: { srv: '10.0.0.5 STREAM srv\n' }, ports: { '10.0.0.5': 'silent' } });
  host.durationOf = () => 4900;
  t.like(await nfs(host, 'vers=4', 'srv:/x'), { connection: 'silent', waitedMs: 1500 });
});

const gluster: readonly (readonly [
  title: string,
  world: World,
  options: string,
  source: string,
  expected: object | undefined,
])[] = [
  ['closed', { ports: { '10.0.0.5': 'refused' } }, '', '10.0.0.5:vol', { port: 24007 }],
  ['server-port=', { ports: { '10.0.0.5:9': 'refused' } }, 'server-port=9', '10.0.0.5:vol', { port: 9 }],
  [
    'a backup is there',
    { ports: { '10.0.0.5': 'refused' } },
    'backup-volfile-servers=10.0.0.6:10.0.0.5',
    '10.0.0.5:vol',
    undefined,
  ],
  [
    'no backup is there',
    { ports: { '10.0.0.5': 'silent', '10.0.0.6': 'refused' } },
    'backupvolfile-server=10.0.0.6',
    '10.0.0.5:vol',
    { server: '10.0.0.6', connection: 'refused' },
  ],
  [
    'of several servers one is there',
    { ports: { '10.0.0.5': 'refused' } },
    '',
    '10.0.0.5,10.0.0.6:vol',
    undefined,
  ],
  ['IPv6', { ports: { 'fd00::5': 'refused' } }, '', '[fd00::5]:vol', { server: 'fd00::5' }],
  [
    'backups that could be parts of an IPv6 address',
    { ports: { '10.0.0.5': 'refused', fd00: 'refused' } },
    'backup-volfile-servers=fd00:1:2:3:4:5:6:7',
    '10.0.0.5:vol',
    undefined,
  ],
  [
    'a backup that looks like an option of getent',
    { ports: { '10.0.0.5': 'refused' } },
    'backup-volfile-servers=-h',
    '10.0.0.5:vol',
    undefined,
  ],
  [
    'a name that has an IPv6 address alone',
    { names: { gl6: 'fd00::5 STREAM gl6\n' } },
    '',
    'gl6:vol',
    { kind: 'otherFamily', family: 6, others: [] },
  ],
  [
    'dual stack, IPv4 closed',
    { names: { srv: bothFamilies }, ports: { '10.0.0.6': 'refused' } },
    '',
    'srv:vol',
    { kind: 'otherFamily', family: 6, others: [{ address: '10.0.0.6', port: 24007, connection: 'refused' }] },
  ],
  [
    'dual stack, IPv6 closed',
    { names: { srv: bothFamilies }, ports: { 'fd00::5': 'refused' } },
    '',
    'srv:vol',
    undefined,
  ],
  [
    'dual stack, both fail',
    { names: { srv: bothFamilies }, ports: { 'fd00::5': 'noRoute', '10.0.0.6': 'refused' } },
    '',
    'srv:vol',
    { address: '10.0.0.6', others: [{ address: 'fd00::5', port: 24007, connection: 'noRoute' }] },
  ],
  ['RDMA', { ports: { '10.0.0.5': 'refused' } }, '', '10.0.0.5:vol.rdma', undefined],
  ['RDMA as an option', { ports: { '10.0.0.5': 'refused' } }, 'transport=rdma', '10.0.0.5:vol', undefined],
];

for (const [title, given, options, source, expected] of gluster) {
  test(`GlusterFS: ${title}`, async (t) => {
    const refusal = await ask(world(given), 'glusterfs', options, source);
    if (expected === undefined) t.is(refusal, undefined);
    else t.like(refusal, expected);
  });
}

/** @returns which commands were run inside the rootfs. */
async function mending(options: string, hasRpcbind: boolean, startStatd: 'mends' | 'fails') {
  const host = world({ rpcbind: registered });
  const network = host.onRun;
  let answers = false;
  host.onRun = (command) => {
    if (command.argv[0] === '/usr/sbin/start-statd') answers = startStatd === 'mends';
    if (command.argv.includes('-u')) return { status: answers ? 0 : 1 };
    return network(command);
  };
  if (hasRpcbind) host.file(`${layout.rootfs}/run/rpcbind.sock`, { kind: 'other' });
  const refusal = await nfs(host, options);
  const isQuestion = (name: string | undefined) => name === 'rpcinfo' || name === 'sh';
  return { refusal, commands: host.commands.map((argv) => argv[2]).filter((name) => !isQuestion(name)) };
}

test('a reachable server and a deaf rpcbind of ours: mended, and the helper goes on', async (t) => {
  t.deepEqual(await mending('', true, 'mends'), { refusal: undefined, commands: ['/usr/sbin/start-statd'] });
});

test('lock services that can’t be mended are no reason yet: v4 may be negotiated', async (t) => {
  t.is((await mending('', true, 'fails')).refusal, undefined);
});

test('lock services are left alone where nobody needs them, or none ever listened', async (t) => {
  for (const [options, hasRpcbind] of [
    ['vers=4', true],
    ['vers=3', true],
    ['nolock', true],
    ['', false],
  ] as const)
    t.deepEqual((await mending(options, hasRpcbind, 'mends')).commands, [], options);
});

test('what rpcinfo -p prints', (t) => {
  t.deepEqual(parseRegistrations(registered)[1], {
    program: 100003,
    version: 3,
    transport: 'tcp',
    port: 2049,
  });
  t.is(parseRegistrations(registered).length, 5);
  t.deepEqual(parseRegistrations('rpcinfo: can’t contact portmapper\n'), []);
});
