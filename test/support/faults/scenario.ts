import { type GlusterServer, startGlusterServer } from '../gluster/gluster-server.ts';
import type { EnterMode } from '../node/enter-mode.ts';
import {
  installedMounter,
  kubeletDirectory,
  mounterHome,
  type NodeRequest,
  ScratchNode,
} from '../node/namespace.ts';
import { placeStandIn } from '../node/stand-in-helper.ts';

/** A call of `mounter mount`, and the node that it is made on. */
export interface Scenario {
  readonly title: string;
  readonly fstype: 'nfs' | 'glusterfs';
  readonly source: string;
  readonly options: string;
  /** What comes of it without a fault. */
  readonly succeeds: boolean;
  /** A script that brings the node to where it begins. */
  readonly setUp?: string;
  /** Of the calls of this process and its children, as strace shows them: the rest is another scenario's. */
  readonly about?: RegExp;
}

export const glusterAddress = '10.77.0.1';

/** A daemon has a second for its first answer. */
const impatient = `sed -i 's/^{/{"limits":{"daemonSeconds":1},/' ${mounterHome}/node-settings.json; ${installedMounter} prepare`;

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
  {
    title: 'glusterfs mounts with a read-ahead, where /sys is read-only',
    fstype: 'glusterfs',
    source: `${glusterAddress}:v1`,
    options: 'ro,x-mounter.read-ahead=2048',
    succeeds: true,
    setUp: 'mount -o remount,bind,ro /sys',
    about: /\/sys\b|sysfs|^fs(open|config|mount)\(|"(128|2048)|bdi/,
  },
  // A kernel without its part of them: rpc.gssd and tlshd are started, and do not answer.
  {
    title: 'nfs with Kerberos fails',
    fstype: 'nfs',
    source: '10.0.0.5:/x',
    options: 'vers=4,sec=krb5',
    succeeds: false,
    setUp: impatient,
    about: /^(?!rt_sig)/,
  },
  {
    title: 'nfs with TLS fails',
    fstype: 'nfs',
    source: '10.0.0.5:/x',
    options: 'vers=4,xprtsec=tls',
    succeeds: false,
    setUp: impatient,
    about: /tlshd|netlink|start-statd|setns|"\/proc\/\d+\/status|ca-cert/,
  },
];

/** A node, prepared, and the server that its scenario needs. */
export interface ScenarioNode extends AsyncDisposable {
  readonly node: ScratchNode;
  readonly target: string;
}

export async function scenarioNode(
  { fstype, setUp = ':' }: Pick<Scenario, 'fstype' | 'setUp'>,
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
    await node.shell(`mkdir -p ${target}; ${setUp}`);
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
