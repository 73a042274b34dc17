import { exitCode } from '../exit-codes.ts';
import { readManifest } from '../rootfs/node.ts';
import type { CommandContext } from './context.ts';
import { parseFlags } from './flags.ts';
import { type NodeStatus, observeNode } from './node-status.ts';
import { table } from './tables.ts';

/** `mounter status` @returns 1 when a mount could not work: nothing installed, or not prepared. */
export async function status(
  argv: readonly string[],
  { layout, host, output }: CommandContext,
): Promise<number> {
  const flags = parseFlags('status', argv, { boolean: ['json'], string: [], operands: [0, 0] });
  const manifest = host.stat(layout.manifest) === undefined ? undefined : await readManifest(host, layout);
  const node = await observeNode(host, layout, manifest);
  output.out(flags.has('json') ? `${JSON.stringify(node, undefined, 2)}\n` : forPeople(node));
  return node.isPrepared ? exitCode.success : exitCode.usage;
}

function forPeople(node: NodeStatus): string {
  const facts = table([
    ['home', node.home],
    ['executable', node.executable ?? 'missing: run mounter install SOURCE'],
    ['rootfs', node.digest ?? 'none: run mounter install SOURCE'],
    ['versions', node.versions.join(' ') || 'none'],
    ['prepared', node.isPrepared ? 'yes' : 'no: run mounter prepare'],
    ...describeLocks(node.lockServices),
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

function describeLocks({ answer, rpcbind, statd }: NodeStatus['lockServices']): readonly string[][] {
  if (answer === null) return [['locks', 'unknown: only root can ask']];
  return [
    ['rpcbind', describeDaemon(rpcbind)],
    ['rpc.statd', describeDaemon(statd)],
    ['locks', answer ? 'answer' : 'do not answer; started by the first NFSv3 mount with locks'],
  ];
}

function describeDaemon(daemon: NodeStatus['lockServices']['rpcbind']): string {
  if (daemon === null) return 'not running';
  return `process ${daemon.pid}, ${daemon.owner === 'rootfs' ? 'of the rootfs' : "the host's own"}`;
}
