import { exitCode } from '../exit-codes.ts';
import type { LockDaemon, LockServicesState } from '../rootfs/lock-services-state.ts';
import { readManifest } from '../rootfs/node.ts';
import type { CommandContext } from './context.ts';
import { parseFlags } from './flags.ts';
import { type NodeStatus, observeNode } from './node-status.ts';
import { table } from './tables.ts';

const turnedOff = 'no: "enabled": false in the manifest; mounter mount is the host\'s own mount(8)';

/** `mounter status` @returns 1 when a mount could not work: nothing installed, or not prepared; not where it is turned off. */
export async function status(
  argv: readonly string[],
  { layout, host, output }: CommandContext,
): Promise<number> {
  const flags = parseFlags('status', argv, { boolean: ['json'], string: [], operands: [0, 0] });
  const manifest = host.stat(layout.manifest) === undefined ? undefined : await readManifest(host, layout);
  const node = await observeNode(host, layout, manifest);
  output.out(flags.has('json') ? `${JSON.stringify(node, undefined, 2)}\n` : forPeople(node));
  return node.isPrepared || !node.isEnabled ? exitCode.success : exitCode.usage;
}

function forPeople(node: NodeStatus): string {
  const facts = table([
    ['home', node.home],
    ['executable', node.executable ?? 'missing: run mounter install SOURCE'],
    ['rootfs', node.digest ?? 'none: run mounter install SOURCE'],
    ['versions', node.versions.join(' ') || 'none'],
    ...(node.isEnabled ? [] : [['enabled', turnedOff]]),
    ['prepared', node.isPrepared ? 'yes' : 'no: run mounter prepare'],
    ...describeLocks(node.lockServices, node.isPrepared),
  ]);
  const mounts = table([
    ['STATE', 'HOST', 'IN THE ROOTFS', 'KIND', 'PROPAGATION'],
    ...node.mounts.map((m) => [m.state, m.host ?? '-', m.rootfs, `${m.type} ${m.access}`, m.propagation]),
  ]);
  const volumes = table([
    ['SOURCE', 'TYPE', 'ENTRIES', 'DAEMON', 'TARGET'],
    ...node.volumes.map((v) => [
      v.source,
      v.fstype,
      String(v.entries),
      v.daemon === null ? '-' : String(v.daemon),
      v.target,
    ]),
  ]);
  return `${facts}\n${node.mounts.length === 0 ? '' : `${mounts}\n`}${node.volumes.length === 0 ? 'no volumes mounted\n' : volumes}`;
}

function describeLocks(
  locks: NodeStatus['lockServices'],
  isPrepared: boolean,
): readonly (readonly string[])[] {
  if (locks === null)
    return [['locks', isPrepared ? 'unknown: only root can ask' : 'unknown: nothing to ask with']];
  return [
    ['rpcbind', describeDaemon(locks.rpcbind, locks.portmapperAnswers ? [] : ['does not answer'])],
    ...locks.surplusRpcbinds.map((one) => ['', `${describeDaemon(one, [])}: one too many`]),
    ['rpc.statd', describeDaemon(locks.statd, locks.statdRegistered ? [] : ['unknown to rpcbind'])],
    ['port 111', portWords[locks.listening]],
    ['locks', locks.statdAnswers ? 'answer' : 'do not answer; started by the first NFSv3 mount with locks'],
  ];
}

const portWords: Readonly<Record<LockServicesState['listening'], string>> = {
  nowhere: 'closed',
  loopback: 'open to this node alone',
  any: 'open to other machines',
};

function describeDaemon(daemon: LockDaemon | null, faults: readonly string[]): string {
  if (daemon === null) return 'not running';
  const owner = daemon.owner === 'rootfs' ? 'of the rootfs' : "the host's own";
  return [`process ${daemon.pid}`, owner, ...faults].join(', ');
}
