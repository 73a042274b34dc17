import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { copyFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { DockerRegistry } from '../image/docker-registry.ts';
import { hierarchies, removeGroups } from '../node/control-groups.ts';
import { ScratchNode, shared } from '../node/namespace.ts';
import { ensureContainerRuntime } from '../packages/container-runtime.ts';
import { answeringCri, configuration, socket, writeNetwork } from './containerd.ts';
import type { Cri } from './cri.ts';
import { pauseImage, type TestImage } from './images.ts';
import type { Machine } from './machine.ts';

/**
 * A machine-like node with a real container runtime: containerd, which kubelet's part (kubelet.ts) speaks to, and a
 * registry on the node's loopback.
 */

const programs = ['containerd', 'containerd-shim-runc-v2', 'ctr'] as const;

export class RuntimeNode implements Machine, AsyncDisposable {
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
      writeNetwork(node.path('/etc'));
      const pause = await runtimeNode.publish(await pauseImage(), 'pause');
      writeFileSync(
        `${node.sharedDirectory}/containerd.toml`,
        configuration({
          pause,
          programs: { runc: 'runc', crun: 'crun' },
          plugins: '/usr/lib/cni',
          systemdCgroup: false,
        }),
      );
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
    this.#cri = await answeringCri(node.path(socket));
  }

  path(path: string): string {
    return this.node.path(path);
  }

  shell(script: string): Promise<string> {
    return this.node.shell(script);
  }

  cgroupOf(uid: string): string {
    return `${this.cgroup}/pod${uid}`;
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

  #removeCgroups(): void {
    for (const hierarchy of hierarchies()) {
      removeGroups(`${hierarchy}${this.cgroup}`);
      // That of daemons, which other nodes of this machine may use.
      try {
        rmdirSync(`${hierarchy}/containerized-mounter`);
      } catch {}
    }
  }
}
