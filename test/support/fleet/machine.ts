import type { Cri } from './cri.ts';

/** A node with a container runtime, as kubelet's part (kubelet.ts) needs it. */
export interface Machine {
  readonly cri: Cri;
  /** The node's file `path`, as this process can open it. */
  path(path: string): string;
  /** Runs a script that must succeed. @returns its stdout. */
  shell(script: string): Promise<string>;
  /** Below which a Pod's cgroups are, in the words of the runtime's cgroup driver. */
  cgroupOf(uid: string): string;
}
