import { randomUUID } from 'node:crypto';
import {
  existsSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { basename } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { kubeletDirectory } from '../node/namespace.ts';
import { printedDocuments } from '../node/node-agent.ts';
import type { Runtime } from './containerd.ts';
import type { Answer } from './cri.ts';
import type { Machine } from './machine.ts';

/**
 * Kubelet's part, and the DaemonSet controller's: a Pod is made from the YAML that `mounter manifest daemonset` prints,
 * every field of it that decides how the container runs.
 */

// biome-ignore lint/suspicious/noExplicitAny: a tree of YAML, of which each function reads another part
type Tree = any;

/** What is applied to the cluster. */
export class Cluster {
  readonly configMaps = new Map<string, Readonly<Record<string, string>>>();
  readonly #kind: 'daemonset' | 'csi';
  template: Tree;

  constructor(kind: 'daemonset' | 'csi' = 'daemonset') {
    this.#kind = kind;
  }

  /** `mounter manifest daemonset ARGV | kubectl apply -f -` */
  async apply(...argv: readonly string[]): Promise<void> {
    for (const document of (await printedDocuments(this.#kind, ...argv)) as readonly Tree[]) {
      if (document.kind === 'ConfigMap') this.configMaps.set(document.metadata.name, document.data);
      if (document.kind === 'DaemonSet') this.template = document.spec.template;
    }
  }
}

/** @see pkg/securitycontext of Kubernetes: what `procMount: Default` means */
const maskedPaths = [
  '/proc/asound',
  '/proc/acpi',
  '/proc/interrupts',
  '/proc/kcore',
  '/proc/keys',
  '/proc/latency_stats',
  '/proc/timer_list',
  '/proc/timer_stats',
  '/proc/sched_debug',
  '/proc/scsi',
  '/sys/firmware',
  '/sys/devices/virtual/powercap',
];
const readonlyPaths = ['/proc/bus', '/proc/fs', '/proc/irq', '/proc/sys', '/proc/sysrq-trigger'];

/** How a probe, or a life of the container, ended. */
export interface Probed {
  readonly status: number;
  readonly output: string;
}

export class Pod {
  readonly uid = randomUUID();
  readonly #machine: Machine;
  readonly #cluster: Cluster;
  readonly #spec: Tree;
  readonly #container: Tree;
  readonly #sandboxConfig: object;
  #sandbox = '';
  containerId = '';
  #attempt = 0;

  private constructor(machine: Machine, cluster: Cluster) {
    this.#machine = machine;
    this.#cluster = cluster;
    this.#spec = cluster.template.spec;
    this.#container = this.#spec.containers[0];
    this.#sandboxConfig = {
      metadata: { name: 'node-agent', uid: this.uid, namespace: 'kube-system', attempt: 0 },
      hostname: 'node-agent',
      log_directory: `/var/log/pods/${this.uid}`,
      linux: {
        cgroup_parent: machine.cgroupOf(this.uid),
        security_context: {
          namespace_options: this.#namespaces,
          seccomp: { profile_type: 'RuntimeDefault' },
        },
      },
    };
  }

  /** Its sandbox, image, volumes and container, in kubelet's order. */
  static async start(machine: Machine, cluster: Cluster, runtime: Runtime = 'runc'): Promise<Pod> {
    const pod = new Pod(machine, cluster);
    await pod.#mountVolumes();
    const { pod_sandbox_id } = await machine.cri.call('RunPodSandbox', {
      config: pod.#sandboxConfig,
      runtime_handler: runtime,
    });
    pod.#sandbox = pod_sandbox_id;
    await pod.#pull();
    await pod.startContainer();
    return pod;
  }

  get #namespaces(): object {
    const { hostPID, hostNetwork, hostIPC } = this.#spec;
    return {
      network: hostNetwork ? 'NODE' : 'POD',
      pid: hostPID ? 'NODE' : 'CONTAINER',
      ipc: hostIPC ? 'NODE' : 'POD',
    };
  }

  /** imagePullPolicy IfNotPresent. */
  async #pull(): Promise<void> {
    const { cri } = this.#machine;
    const image = { image: this.#container.image };
    const { image: present } = await cri.call('ImageStatus', { image });
    if (present === null) await cri.call('PullImage', { image, sandbox_config: this.#sandboxConfig });
  }

  get #directory(): string {
    return `${kubeletDirectory}/pods/${this.uid}`;
  }

  #volumePath(volume: Tree): string {
    const plugin = volume.configMap === undefined ? 'empty-dir' : 'configmap';
    return `${this.#directory}/volumes/kubernetes.io~${plugin}/${volume.name}`;
  }

  async #mountVolumes(): Promise<void> {
    for (const volume of this.#spec.volumes) {
      const path = this.#volumePath(volume);
      await this.#machine.shell(`mkdir -p ${path} /var/log/pods/${this.uid}`);
      if (volume.emptyDir?.medium === 'Memory') {
        const size = quantity(volume.emptyDir.sizeLimit);
        await this.#machine.shell(`mount -t tmpfs -o rw,size=${size} tmpfs ${path}`);
      }
    }
    await this.#machine.shell(`echo 127.0.0.1 localhost >${this.#directory}/etc-hosts`);
    this.syncConfigMaps();
  }

  /** As kubelet's atomic writer does it: another directory, then one rename. */
  syncConfigMaps(): void {
    for (const volume of this.#spec.volumes.filter(({ configMap }: Tree) => configMap !== undefined)) {
      const path = this.#machine.path(this.#volumePath(volume));
      const data = this.#cluster.configMaps.get(volume.configMap.name);
      if (data === undefined && volume.configMap.optional !== true)
        throw new Error(`there is no ConfigMap ${volume.configMap.name}`);
      const content = mkdtempSync(`${path}/..`);
      for (const [name, text] of Object.entries(data ?? {})) {
        writeFileSync(`${content}/${name}`, text);
        if (!existsSync(`${path}/${name}`)) symlinkSync(`..data/${name}`, `${path}/${name}`);
      }
      symlinkSync(basename(content), `${path}/..data_tmp`);
      renameSync(`${path}/..data_tmp`, `${path}/..data`);
    }
  }

  async startContainer(): Promise<void> {
    const { cri } = this.#machine;
    const { container_id } = await cri.call('CreateContainer', {
      pod_sandbox_id: this.#sandbox,
      config: this.#containerConfig(),
      sandbox_config: this.#sandboxConfig,
    });
    this.containerId = container_id;
    this.#attempt += 1;
    await cri.call('StartContainer', { container_id });
  }

  #containerConfig(): object {
    const { name, image, command, args = [], env = [], volumeMounts, resources } = this.#container;
    const mounts = volumeMounts.map(({ name: volumeName, mountPath, readOnly = false }: Tree) => ({
      container_path: mountPath,
      host_path: this.#volumePath(this.#spec.volumes.find((volume: Tree) => volume.name === volumeName)),
      readonly: readOnly,
    }));
    return {
      metadata: { name, attempt: this.#attempt },
      image: { image },
      command,
      args,
      // A value that is not given is the node's name.
      envs: env.map(({ name: key, value = 'node-1' }: Tree) => ({ key, value })),
      mounts: [...mounts, { container_path: '/etc/hosts', host_path: `${this.#directory}/etc-hosts` }],
      log_path: `${name}.${this.#attempt}.log`,
      linux: {
        resources: {
          cpu_shares: Math.max(2, Math.floor((milli(resources.requests.cpu) * 1024) / 1000)),
          memory_limit_in_bytes: quantity(resources.limits.memory),
          // Of a Pod that is critical for its node.
          oom_score_adj: -997,
        },
        security_context: this.#securityContext(),
      },
    };
  }

  #securityContext(): object {
    const context = this.#container.securityContext;
    const profile = (of: Tree, otherwise: string) => ({ profile_type: of?.type ?? otherwise });
    return {
      capabilities: {
        add_capabilities: context.capabilities.add,
        drop_capabilities: context.capabilities.drop,
      },
      privileged: context.privileged,
      namespace_options: this.#namespaces,
      run_as_user: { value: context.runAsUser },
      run_as_group: { value: context.runAsGroup },
      readonly_rootfs: context.readOnlyRootFilesystem,
      no_new_privs: !context.allowPrivilegeEscalation,
      masked_paths: maskedPaths,
      readonly_paths: readonlyPaths,
      seccomp: profile(context.seccompProfile, 'Unconfined'),
      apparmor: profile(context.appArmorProfile, 'RuntimeDefault'),
    };
  }

  /** One run of the readiness probe. */
  async probe(): Promise<Probed> {
    const { exec, timeoutSeconds } = this.#container.readinessProbe;
    return this.exec(exec.command, timeoutSeconds);
  }

  async exec(cmd: readonly string[], timeoutSeconds = 10): Promise<Probed> {
    const request = { container_id: this.containerId, cmd, timeout: timeoutSeconds };
    try {
      const { exit_code, stdout, stderr } = await this.#machine.cri.call('ExecSync', request);
      return { status: exit_code, output: `${stdout}${stderr}` };
    } catch (error) {
      return { status: -1, output: (error as Error).message };
    }
  }

  /**
   * Until a probe ends with `status` and words that fit; what ends meanwhile is started anew, as kubelet does it.
   * @returns after how many seconds. @throws with the last probe's words and the log.
   */
  async until(status: number, words = /^/, limitSeconds = 120): Promise<number> {
    const start = performance.now();
    await this.saying((probed) => probed.status === status && words.test(probed.output), limitSeconds);
    return (performance.now() - start) / 1000;
  }

  /** @returns the first probe that `isMeant`. @throws like `until`. */
  async saying(isMeant: (probed: Probed) => boolean, limitSeconds = 120): Promise<Probed> {
    const end = performance.now() + limitSeconds * 1000;
    for (;;) {
      await this.restartIfEnded();
      const probed = await this.probe();
      if (isMeant(probed)) return probed;
      if (performance.now() > end) {
        const { status, output } = probed;
        throw new Error(`after ${limitSeconds} s the probe says ${status}: ${output}\n${this.log()}`);
      }
      // Each probe is a process in the container: more of them would keep the agent waiting for a CPU.
      await setTimeout(1000);
    }
  }

  async restartIfEnded(): Promise<void> {
    if ((await this.#state()) !== 'CONTAINER_EXITED') return;
    const ended = this.containerId;
    await this.startContainer();
    await this.#machine.cri.call('RemoveContainer', { container_id: ended });
  }

  /** The process id of the container's first process, in the node. */
  async pid(): Promise<number> {
    const request = { container_id: this.containerId, verbose: true };
    const { info } = await this.#machine.cri.call('ContainerStatus', request);
    return JSON.parse(info.info).pid;
  }

  /** SIGKILL, as the kernel does it when memory is short. Returns when the container has ended. */
  async kill(): Promise<void> {
    await this.#machine.shell(`kill -KILL ${await this.pid()}`);
    while ((await this.#state()) !== 'CONTAINER_EXITED') await setTimeout(20);
  }

  async #state(): Promise<string> {
    const request = { container_id: this.containerId };
    return (await this.#machine.cri.call('ContainerStatus', request)).status.state;
  }

  async stats(): Promise<Answer> {
    return (await this.#machine.cri.call('ContainerStats', { container_id: this.containerId })).stats;
  }

  /** What the container has said in this life. */
  log(): string {
    const path = this.#machine.path(
      `/var/log/pods/${this.uid}/${this.#container.name}.${this.#attempt - 1}.log`,
    );
    return existsSync(path) ? readFileSync(path, 'utf8') : '';
  }

  /** As kubelet ends a Pod: the container within its time, the sandbox, the volumes. */
  async stop(): Promise<void> {
    const { cri } = this.#machine;
    const container_id = this.containerId;
    const timeout = this.#spec.terminationGracePeriodSeconds;
    await cri.call('StopContainer', { container_id, timeout });
    await cri.call('StopPodSandbox', { pod_sandbox_id: this.#sandbox });
    await cri.call('RemoveContainer', { container_id });
    await cri.call('RemovePodSandbox', { pod_sandbox_id: this.#sandbox });
    for (const volume of this.#spec.volumes)
      if (volume.emptyDir?.medium === 'Memory')
        await this.#machine.shell(`umount ${this.#volumePath(volume)}`);
    rmSync(this.#machine.path(this.#directory), { recursive: true });
  }
}

/** Bytes of `64Mi`. */
function quantity(text: string): number {
  const [, number = '', unit = ''] = /^(\d+)(Ki|Mi|Gi|)$/.exec(text) ?? [];
  return Number(number) * 1024 ** ['', 'Ki', 'Mi', 'Gi'].indexOf(unit);
}

/** Thousandths of a CPU of `10m`. */
function milli(text: string): number {
  return text.endsWith('m') ? Number(text.slice(0, -1)) : Number(text) * 1000;
}
