import { once } from 'node:events';
import { createServer, type Server } from 'node:net';
import { execa } from 'execa';
import { type BenchNode, makeNode } from '../calls/node.ts';
import { servers } from './calls.ts';

/** A prepared node in namespaces of its own, with a network in which one server answers and another is silent. */
export interface StormNode extends BenchNode {
  readonly server: Server;
}

/** @param standIn the helper that takes the place of mount.nfs. */
export async function makeStormNode(
  mounter: string,
  programs: { readonly measure: string; readonly standIn: string },
): Promise<StormNode> {
  await makeNetwork();
  const node = await makeNode([mounter], programs);
  // Calls that a busy node makes slow look whether their server's port is open.
  const server = createServer((socket) => socket.destroy()).listen(2049, servers.healthy);
  await once(server, 'listening');
  return { ...node, server };
}

/** What is sent to the neighbour's address goes to a device that drops it. */
async function makeNetwork(): Promise<void> {
  for (const argv of [
    ['link', 'set', 'lo', 'up'],
    ['address', 'add', `${servers.healthy}/32`, 'dev', 'lo'],
    ['link', 'add', 'v0', 'type', 'veth', 'peer', 'name', 'v1'],
    ['address', 'add', '192.0.2.1/24', 'dev', 'v0'],
    ['link', 'set', 'v0', 'up'],
    ['link', 'set', 'v1', 'up'],
    ['neighbour', 'replace', servers.dead, 'lladdr', '02:00:00:00:00:99', 'dev', 'v0', 'nud', 'permanent'],
  ])
    await execa('ip', argv);
}
