import { type GlusterServer, startGlusterServer } from '../gluster/gluster-server.ts';
import type { EnterMode } from '../node/enter-mode.ts';
import { kubeletDirectory, type NodeRequest, ScratchNode } from '../node/namespace.ts';
import { placeStandIn } from '../node/stand-in-helper.ts';

/** A call of `mounter mount`, and the node that it is made on. */
export interface Scenario {
  readonly title: string;
  readonly fstype: 'nfs' | 'glusterfs';
  readonly source: string;
  readonly options: string;
  /** What comes of it without a fault. */
  readonly succeeds: boolean;
}

export const glusterAddress = '10.77.0.1';

export const scenarios: readonly Scenario[] = [
  { title: 'nfs mounts', fstype: 'nfs', source: '10.0.0.5:/x', options: 'vers=4', succeeds: true },
  { title: 'nfs fails', fstype: 'nfs', source: 'fail:/x', options: 'vers=4', succeeds: false },
  {
    title: 'glusterfs mounts',
    fstype: 'glusterfs',
    source: `${glusterAddress}:v1`,
    options: 'ro',
    succeeds: true,
  },
  {
    title: 'glusterfs fails',
    fstype: 'glusterfs',
    source: `${glusterAddress}:nosuch`,
    options: 'ro',
    succeeds: false,
  },
];

/** A node, prepared, and the server that its scenario needs. */
export interface ScenarioNode extends AsyncDisposable {
  readonly node: ScratchNode;
  readonly target: string;
}

export async function scenarioNode(
  { fstype }: Pick<Scenario, 'fstype'>,
  enter: EnterMode,
): Promise<ScenarioNode> {
  const server = fstype === 'glusterfs' ? await startServer() : undefined;
  try {
    const request: NodeRequest = {
      enter,
      ...(server === undefined ? {} : { enterNetwork: server.enter }),
    };
    const node = await ScratchNode.prepared(request);
    if (fstype === 'nfs') await placeStandIn(node);
    const target = `${kubeletDirectory}/pods/u/volumes/kubernetes.io~${fstype}/v`;
    await node.shell(`mkdir -p ${target}`);
    return {
      node,
      target,
      async [Symbol.asyncDispose]() {
        await node.dispose();
        await server?.stop();
      },
    };
  } catch (error) {
    await server?.stop();
    throw error;
  }
}

function startServer(): Promise<GlusterServer> {
  return startGlusterServer({ volumes: ['v1', 'v2'], address: glusterAddress });
}
