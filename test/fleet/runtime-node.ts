import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  writeFileSync,
} from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import { ensureContainerRuntime } from '../../scripts/container-runtime.ts';
import { DockerRegistry } from '../fixtures/docker-registry.ts';
import { ScratchNode, shared } from '../fixtures/namespace.ts';
import { type Cri, connectCri } from './cri.ts';
import { pauseImage, type TestImage } from './images.ts';

/**
 * A machine-like node with a real container runtime: containerd, which kubelet's part (kubelet.ts) speaks to, and a
 * registry on the node's loopback.
 */

/** What the sandbox of a Pod is run by. */
export type Runtime = 'runc' | 'crun';
export const runtimes: readonly Runtime[] = ['runc', 'crun'];

const socket = '/run/containerd/containerd.sock';
const programs = ['containerd', 'containerd-shim-runc-v2', 'ctr'] as const;

const configuration = (pause: string) => `version = 2
root = "/var/lib/containerd"
state = "/run/containerd"
[grpc]
address = "${socket}"
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "${pause}"
# A machine that is a container itself may not have CAP_SYS_RESOURCE.
restrict_oom_score_adj = true
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "/usr/lib/cni"
conf_dir = "/etc/cni/net.d"
${runtimes
  .map(
    (name) => `[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.${name}]
runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.${name}.options]
BinaryName = "${name}"
`,
  )
  .join('')}`;

/** Without addresses on the way out: nothing of the node is reached from a Pod, and nothing there needs it. */
const network = {
  cniVersion: '0.4.0',
  name: 'pods',
  plugins: [
    {
      type: 'bridge',
      bridge: 'pods',
      ipam: { type: 'host-local', ranges: [[{ subnet: '10.88.0.0/16' }]] },
    },
  ],
};

export class RuntimeNode implements AsyncDisposable {
  readonly node: ScratchNode;
  readonly registry: DockerRegistry;
  /** Below which all cgroups of the node's containers are, in each hierarchy. */
  readonly cgroup = `/containerized-mounter-test-${randomBytes(4).toString('hex')}`;
  #containerd: ChildProcess | undefined;
  #cri: Cri | undefined;

  private constructor(node: ScratchNode, registry: DockerRegistry) {
    this.node = node;
    this.registry = registry;
  }

  /** @param enterNetwork of the server that its volumes are mounted from. */
  static async start(enterNetwork?: readonly string[]): Promise<RuntimeNode> {
    const directory = await ensureContainerRuntime();
    const node = await ScratchNode.start(enterNetwork === undefined ? {} : { enterNetwork });
    const registry = await DockerRegistry.start({ enterNetwork: ['nsenter', ...node.enterNetwork] });
    const runtimeNode = new RuntimeNode(node, registry);
    try {
      for (const name of programs) copyFileSync(`${directory}/${name}`, `${node.sharedDirectory}/${name}`);
      // crun refuses a machine with both versions of cgroups.
      await node.shell('both=/sys/fs/cgroup/unified; if mountpoint -q $both; then umount $both; fi');
      mkdirSync(node.path('/etc/cni/net.d'), { recursive: true });
      writeFileSync(node.path('/etc/cni/net.d/10-pods.conflist'), JSON.stringify(network));
      const pause = await runtimeNode.publish(await pauseImage(), 'pause');
      writeFileSync(`${node.sharedDirectory}/containerd.toml`, configuration(pause));
      await runtimeNode.startRuntime();
      return runtimeNode;
    } catch (error) {
      await runtimeNode[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** @returns its reference, by its digest. */
  async publish({ source, digest }: TestImage, name: string): Promise<string> {
    return `${(await this.registry.push(source, `${name}:1`)).slice(0, -':1'.length)}@${digest}`;
  }

  get cri(): Cri {
    if (this.#cri === undefined) throw new Error('no containerd runs');
    return this.#cri;
  }

  async startRuntime(): Promise<void> {
    const { node } = this;
    const log = `${shared}/containerd.log`;
    const command = `PATH=${shared}:$PATH exec containerd --config ${shared}/containerd.toml >>${log} 2>&1`;
    this.#containerd = spawn('nsenter', [...node.enter, 'sh', '-c', command], {
      stdio: 'ignore',
      env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin' },
    });
    const until = performance.now() + 30_000;
    for (;;) {
      const cri = connectCri(node.path(socket));
      try {
        if (existsSync(node.path(socket))) {
          await cri.call('Version');
          this.#cri = cri;
          return;
        }
      } catch (error) {
        if (performance.now() > until) throw error;
      }
      cri.close();
      if (performance.now() > until) throw new Error(`containerd does not start:\n${this.log()}`);
      await setTimeout(50);
    }
  }

  /** What containerd has said. */
  log(): string {
    return readFileSync(`${this.node.sharedDirectory}/containerd.log`, 'utf8');
  }

  /** Power off and on: whatever runs is killed, and what was in memory is gone; the disk is as it was. */
  async reboot(): Promise<void> {
    this.#cri?.close();
    this.#cri = undefined;
    const ended = this.#containerd === undefined ? undefined : once(this.#containerd, 'exit');
    await this.node.powerCycle();
    await ended;
    this.#removeCgroups();
    await this.startRuntime();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#cri?.close();
    await this.registry[Symbol.asyncDispose]();
    await this.node.dispose();
    this.#removeCgroups();
  }

  /** cgroups outlive the namespaces of those who were in them. */
  #removeCgroups(): void {
    const root = '/sys/fs/cgroup';
    const hierarchies = existsSync(`${root}/cgroup.controllers`)
      ? ['']
      : readdirSync(root).map((name) => `/${name}`);
    for (const hierarchy of hierarchies) removeDirectories(`${root}${hierarchy}${this.cgroup}`);
  }
}

function removeDirectories(path: string): void {
  if (!existsSync(path)) return;
  for (const entry of readdirSync(path, { withFileTypes: true }))
    if (entry.isDirectory()) removeDirectories(`${path}/${entry.name}`);
  rmdirSync(path);
}
