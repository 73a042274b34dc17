import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import { type Cri, connectCri } from './cri.ts';

/** Containerd as a node's administrator sets it up; who starts it, and where, is a machine's (machine.ts). */

export const socket = '/run/containerd/containerd.sock';

/** What a Pod's sandbox is run by. */
export type Runtime = 'runc' | 'crun';
export const runtimes: readonly Runtime[] = ['runc', 'crun'];

export interface ContainerdRequest {
  /** The image that holds a Pod's namespaces. */
  readonly pause: string;
  /** Paths, or names to be looked up, of the runtimes. */
  readonly programs: Readonly<Record<Runtime, string>>;
  /** Of the network plugins. */
  readonly plugins: string;
  /** By systemd, as on nodes that have it; else by containerd itself. */
  readonly systemdCgroup: boolean;
}

export function configuration({ pause, programs, plugins, systemdCgroup }: ContainerdRequest): string {
  const cri = 'plugins."io.containerd.grpc.v1.cri"';
  const ofRuntimes = runtimes.map(
    (name) => `[${cri}.containerd.runtimes.${name}]
runtime_type = "io.containerd.runc.v2"
[${cri}.containerd.runtimes.${name}.options]
BinaryName = "${programs[name]}"
SystemdCgroup = ${systemdCgroup}
`,
  );
  return `version = 2
root = "/var/lib/containerd"
state = "/run/containerd"
[grpc]
address = "${socket}"
[${cri}]
sandbox_image = "${pause}"
# A machine that is a container itself may not have CAP_SYS_RESOURCE.
restrict_oom_score_adj = true
[${cri}.cni]
bin_dir = "${plugins}"
conf_dir = "/etc/cni/net.d"
${ofRuntimes.join('')}`;
}

/** Without a way out: nothing of the node is reached from a Pod, and nothing there needs it. @param etc the node's. */
export function writeNetwork(etc: string): void {
  const ipam = { type: 'host-local', ranges: [[{ subnet: '10.88.0.0/16' }]] };
  const plugins = [{ type: 'bridge', bridge: 'pods', ipam }];
  mkdirSync(`${etc}/cni/net.d`, { recursive: true });
  writeFileSync(
    `${etc}/cni/net.d/10-pods.conflist`,
    JSON.stringify({ cniVersion: '0.4.0', name: 'pods', plugins }),
  );
}

/** @param path of the socket. @throws what it says, or that there is none, after 60 s. */
export async function answeringCri(path: string): Promise<Cri> {
  const until = performance.now() + 60_000;
  for (;;) {
    const cri = connectCri(path);
    try {
      if (!existsSync(path)) throw new Error(`${path}: is not there`);
      await cri.call('Version');
      return cri;
    } catch (error) {
      cri.close();
      if (performance.now() > until) throw error;
    }
    await setTimeout(50);
  }
}
