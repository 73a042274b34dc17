import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import type { ExecutionContext } from 'ava';
import type { EnterMode } from '../node/enter-mode.ts';
import { kubeletDirectory, mounterHome, type Ran, ScratchNode } from '../node/namespace.ts';
import { type GlusterServer, startGlusterServer } from './gluster-server.ts';

/** A GlusterFS server in a network namespace, and a node that shares it. */

export interface Setting extends AsyncDisposable {
  readonly server: GlusterServer;
  readonly node: ScratchNode;
  /** `ADDRESS:v1` */
  readonly source: string;
}

export async function setting(enter?: EnterMode, address?: string): Promise<Setting> {
  const server = await startGlusterServer({
    volumes: ['v1', 'v2'],
    ...(address === undefined ? {} : { address }),
  });
  const node = await ScratchNode.prepared({
    enterNetwork: server.enter,
    ...(enter === undefined ? {} : { enter }),
  });
  return {
    server,
    node,
    source: `${server.address}:v1`,
    async [Symbol.asyncDispose]() {
      await node.dispose();
      await server.stop();
    },
  };
}

let targets = 0;
/** Daemons are found by their target among all that run on this machine: other tests' have other ones. */
const ofThisFile = randomBytes(4).toString('hex');

export async function newTarget(node: ScratchNode): Promise<string> {
  targets += 1;
  const target = `${kubeletDirectory}/pods/uid-${ofThisFile}-${targets}/volumes/kubernetes.io~glusterfs/volume`;
  await node.shell(`mkdir -p ${target} ${logDirectory}`);
  return target;
}

/** What kubelet's plugin passes. */
const logDirectory = `${kubeletDirectory}/plugins/kubernetes.io/glusterfs/volume`;
export const options = `auto_unmount,log-file=${logDirectory}/pod-glusterfs.log,log-level=ERROR`;

export const mount = (node: ScratchNode, source: string, target: string, list = options): Promise<Ran> =>
  node.run([`${mounterHome}/mounter`, 'mount', '-t', 'glusterfs', '-o', list, source, target]);

/** The glusterfs daemons of `target`, as this machine numbers them. */
export function daemonsOf(target: string): readonly number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      const words = commandLine(pid);
      return words[0]?.endsWith('glusterfs') && words.at(-1)?.replace(/\/$/, '') === target;
    });
}

function commandLine(pid: number): readonly string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').slice(0, -1);
  } catch {
    return [];
  }
}

export function nothingLeft(t: ExecutionContext, node: ScratchNode, target: string): void {
  t.deepEqual(node.entriesOf(target), [], 'no mountinfo entry');
  t.deepEqual(daemonsOf(target), [], 'no daemon');
}
