import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import type { MountEntry } from '../../../src/host/mountinfo.ts';
import { type GlusterServer, startGlusterServer } from '../gluster/gluster-server.ts';
import { askedUnless } from '../node/examination.ts';
import { kubeletDirectory, mounterHome, type ScratchNode } from '../node/namespace.ts';
import { withoutNfs } from '../node/node-agent.ts';
import { builtImage } from './images.ts';
import { Cluster } from './kubelet.ts';
import { RuntimeNode } from './runtime-node.ts';

/** A GlusterFS server, a node in use with a container runtime, and a cluster to which the DaemonSet is applied. */
export interface FleetSetting extends AsyncDisposable {
  readonly server: GlusterServer;
  readonly machine: RuntimeNode;
  readonly node: ScratchNode;
  readonly cluster: Cluster;
  /** The agent's image as it is applied. */
  readonly image: string;
  /** Applies the DaemonSet with another image. */
  update(image: string): Promise<void>;
}

/** @param kind of manifest that is applied. */
export async function fleetSetting(kind: 'daemonset' | 'csi' = 'daemonset'): Promise<FleetSetting> {
  await using stack = new AsyncDisposableStack();
  const server = stack.use(await startGlusterServer({ volumes: ['v1'] }));
  const machine = stack.use(await RuntimeNode.start(server.enter));
  const cluster = new Cluster(kind);
  const image = await machine.publish(builtImage(), 'mounter-node-agent');
  await livePods(machine.node);
  await update(cluster, image);
  const all = stack.move();
  return {
    server,
    machine,
    node: machine.node,
    cluster,
    image,
    update: (other) => update(cluster, other),
    [Symbol.asyncDispose]: () => all.disposeAsync(),
  };
}

async function update(cluster: Cluster, image: string): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'fleet-'));
  try {
    const file = join(directory, 'settings.json');
    writeFileSync(file, JSON.stringify(withoutNfs));
    await cluster.apply('--image', image, '--settings', file);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

const others = `${kubeletDirectory}/pods/other`;

/** What a node in use has below its kubelet directory. */
async function livePods(node: ScratchNode): Promise<void> {
  await node.shell(`cd ${kubeletDirectory}; mkdir -p ${others}/volumes ${others}/volume-subpaths/v/c/0; cd ${others}/volumes
    for volume in secret empty-dir projected; do
      mkdir $volume; mount -t tmpfs -o size=1m tmpfs $volume; echo $volume >$volume/file
    done
    mkdir empty-dir/sub; echo sub >empty-dir/sub/file; mount --bind empty-dir/sub ${others}/volume-subpaths/v/c/0
    mkdir -p ${kubeletDirectory}/plugins/csi/globalmount; mount -t tmpfs tmpfs ${kubeletDirectory}/plugins/csi/globalmount`);
}

/** The mounts of the other Pods, as the kernel numbers them: one that was taken away and made again has another. */
export function otherMounts(node: ScratchNode): readonly MountEntry[] {
  return node
    .mountinfo()
    .filter(({ mountPoint }) => mountPoint.startsWith(others) || mountPoint.includes('/globalmount'));
}

/** What of the node is the mounter's: mounts, pins, versions and processes, without what changes from run to run. */
export async function oursOn(node: ScratchNode): Promise<readonly string[]> {
  const mounts = node
    .mountinfo()
    .map(({ mountPoint, fstype }) => `${fstype} on ${mountPoint}`)
    .filter((line) => /containerized/.test(line));
  const directories = `${mounterHome} /var/lib/containerized-mounter /run/containerized-mounter`;
  const files = await node.shell(
    `for directory in ${directories}; do
      if [ -d $directory ]; then
        find $directory -path '*/versions/*/*' -prune -o -path '*/failures/*' -prune -o \
          -name good-rootfs -o -name same-executables -o -print
      fi
    done`,
  );
  const processes = node
    .processes()
    .map(({ commandLine }) => commandLine.join(' '))
    .filter((line) => /mounter|gluster|rpcbind|statd/.test(line) && !/containerd/.test(line));
  return [...mounts, ...files.split('\n'), ...processes]
    .map((line) => line.replace(/(namespaces\/[0-9a-f]+)\.\d+/, '$1').replace(/\/proc\/\d+/, '/proc/PID'))
    .sort();
}

/** The same, asked again where it is not as it is to be: a child of the agent's may run at one moment. */
export function oursSettled(node: ScratchNode, wanted: readonly string[]): Promise<readonly string[]> {
  return askedUnless(
    (seen) => !isDeepStrictEqual(seen, wanted),
    () => oursOn(node),
    5,
  );
}

/** The node as it was before the agent came. */
export async function makeBare(node: ScratchNode): Promise<void> {
  await node.shell(`if [ -e ${mounterHome}/mounter ]; then
      ${mounterHome}/mounter-full teardown >/dev/null || true
    fi
    rm -rf ${mounterHome} /var/lib/containerized-mounter /var/log/containerized-mounter`);
}

/** Mounts the server's volume as kubelet does. @returns the target. */
export async function mountVolume({ node, server }: FleetSetting, name: string): Promise<string> {
  const target = `${kubeletDirectory}/pods/${name}/volumes/kubernetes.io~glusterfs/v`;
  await node.shell(
    `mkdir -p ${target}; ${mounterHome}/mounter mount -t glusterfs ${server.address}:v1 ${target}`,
  );
  return target;
}
