import test from 'ava';
import type { ProcessInformation } from '../../../src/host/host.ts';
import { asKernelWrites, peersOf } from '../../../src/services/listening-addresses.ts';
import { observeLockServices, observeSecurityServices } from '../../../src/services/state.ts';
import { type HostModel, ownMounts } from '../../support/model/host-model.ts';
import { contextOf, layout, preparedNode } from '../../support/model/node-model.ts';

/** A line of /proc/net/tcp or udp. */
const line = (address: string, port: string, state: string, inode = 1) =>
  `   0: ${address}:${port} 00000000:0000 ${state} 00000000:00000000 00:00000000 00000000     0        0 ${inode} 1\n`;

/** @param socket the inode of one that it has open. */
function running(
  host: HostModel,
  pid: number,
  name: string,
  root: string,
  socket?: number,
): ProcessInformation {
  if (socket !== undefined) host.links.set(`/proc/${pid}/fd/5`, `socket:[${socket}]`);
  host.links.set(`/proc/${pid}/fd/0`, '/dev/null');
  return { pid, name, executable: undefined, root, mountNamespace: ownMounts, isInOurNetwork: true };
}

const ownRoot = layout.rootfs;

test('nothing listens: nobody is asked, every answer is a no', async (t) => {
  const host = preparedNode();
  host.onRun = ({ argv }) => t.fail(argv.join(' '));
  t.deepEqual(await observeLockServices(contextOf(host)), {
    rpcbind: null,
    statd: null,
    surplusRpcbinds: [],
    portmapperAnswers: false,
    statdRegistered: false,
    statdAnswers: false,
    listening: 'nowhere',
    listeningByUdp: 'nowhere',
  });
});

test('registered, and yet deaf', async (t) => {
  const host = preparedNode();
  host.texts.set('/proc/net/udp', `  sl\n${line('0100007F', '006F', '07')}`);
  host.onRun = ({ argv }) =>
    argv.includes('-p')
      ? { output: '   program vers proto   port  service\n    100024    1   udp  52336  status\n' }
      : { status: argv.includes('status') ? 1 : 0 };
  const state = await observeLockServices(contextOf(host));
  t.like(state, { portmapperAnswers: true, statdRegistered: true, statdAnswers: false });
});

test('an answer that came too late is none', async (t) => {
  const host = preparedNode();
  host.texts.set('/proc/net/udp', `  sl\n${line('0100007F', '006F', '07')}`);
  host.onRun = () => ({ status: 0, endedBy: 'deadline', output: '    100024    1   udp  52336  status\n' });
  const state = await observeLockServices(contextOf(host));
  t.like(state, { portmapperAnswers: false, statdRegistered: false, statdAnswers: false });
});

test("a host's rpcbind comes first, ours beside it is surplus; others' networks do not count", async (t) => {
  const host = preparedNode();
  host.texts.set('/proc/net/udp', `  sl\n${line('00000000', '006F', '07', 77)}`);
  host.texts.set('/proc/net/tcp', `  sl\n${line('00000000', '0801', '0A', 78)}`);
  host.processList = [
    running(host, 7, 'rpcbind', ownRoot),
    running(host, 8, 'rpcbind', '/', 77),
    { ...running(host, 9, 'rpcbind', '/container'), isInOurNetwork: false },
    running(host, 10, 'rpc.statd', '/'),
    running(host, 11, 'rpc.statd', ownRoot),
  ];
  const { rpcbind, statd, surplusRpcbinds } = await observeLockServices(contextOf(host));
  t.deepEqual(rpcbind, { pid: 8, owner: 'host' });
  t.deepEqual(surplusRpcbinds, [{ pid: 7, owner: 'rootfs' }]);
  t.deepEqual(statd, { pid: 11, owner: 'rootfs' });
});

test('whoever only calls itself rpcbind is none', async (t) => {
  const host = preparedNode();
  host.texts.set('/proc/net/tcp', `  sl\n${line('00000000', '0801', '0A', 78)}`);
  host.processList = [running(host, 8, 'rpcbind', '/'), running(host, 9, 'rpcbind', '/', 78)];
  t.is((await observeLockServices(contextOf(host))).rpcbind, null);
  host.texts.set('/proc/net/udp', `  sl\n${line('00000000', '006F', '07', 77)}`);
  const { rpcbind, surplusRpcbinds } = await observeLockServices(contextOf(host));
  t.deepEqual([rpcbind, surplusRpcbinds], [null, []]);
});

for (const [title, tables, expected] of [
  ['IPv4 loopback', { tcp: line('0100007F', '006F', '0A') }, 'loopback'],
  ['IPv6 loopback', { udp6: line('00000000000000000000000001000000', '006F', '07') }, 'loopback'],
  ['every address', { tcp: line('0100007F', '006F', '0A'), udp: line('00000000', '006F', '07') }, 'any'],
  ['every IPv6 address', { tcp6: line('00000000000000000000000000000000', '006F', '0A') }, 'any'],
  ['one outer address', { udp: line('0100A8C0', '006F', '07') }, 'any'],
  ['another port', { tcp: line('00000000', '0801', '0A') }, 'nowhere'],
  ['a connection, no listener', { tcp: line('0100A8C0', '006F', '01') }, 'nowhere'],
] as const) {
  test(`port 111: ${title}`, async (t) => {
    const host = preparedNode();
    for (const [name, text] of Object.entries(tables))
      host.texts.set(`/proc/net/${name}`, `  sl  local_address rem_address   st\n${text}`);
    t.is((await observeLockServices(contextOf(host))).listening, expected);
  });
}

test('of those that are called rpc.gssd the one of root is shown', async (t) => {
  const host = preparedNode();
  host.processList = [running(host, 7, 'rpc.gssd', '/'), running(host, 8, 'rpc.gssd', '/')];
  host.texts.set('/proc/7/status', 'Uid:\t1000\t1000\t1000\t1000\n');
  const gssd = async () => (await observeSecurityServices(contextOf(host)))[0];
  t.like(await gssd(), { service: 'gssd', daemon: null, answers: false });
  host.texts.set('/proc/8/status', 'Uid:\t0\t0\t0\t0\n');
  t.like(await gssd(), { daemon: { pid: 8, owner: 'host' }, answers: true });
});

test('where the connections of a process go', (t) => {
  const host = preparedNode();
  const connected = (peer: string, inode: number, state = '01') =>
    `   1: FE07090A:0339 ${peer}:0801 ${state} 00000000:00000000 00:00000000 00000000     0        0 ${inode} 1 x\n`;
  host.texts.set('/proc/net/tcp', connected('0107090A', 9417) + connected('0207090A', 9418));
  host.texts.set('/proc/net/tcp6', connected('000000FD000000000000000005000000', 9419, '02'));
  host.links.set('/proc/985/fd/9', 'socket:[9417]');
  host.links.set('/proc/985/fd/11', 'socket:[9419]');
  t.deepEqual(peersOf(host, 985), [asKernelWrites('10.9.7.1'), asKernelWrites('fd00::5')]);
  t.deepEqual(peersOf(host, 986), []);
  t.is(asKernelWrites('10.9.7.1'), '0107090A');
  t.is(asKernelWrites('fd00::5'), '000000FD000000000000000005000000');
  t.is(asKernelWrites('files.example'), undefined);
});
