import type { EnterMode } from '../../../test/support/node/enter-mode.ts';
import type { Sample } from '../report/samples.ts';
import type { StormReport } from '../storm/report.ts';

/** What goes into the guest, and what comes out of it. */

export interface NfsBenchRequest {
  /** Of NFSv4.2 mounts, each by every way. */
  readonly rounds: number;
  /** By mounter; by the original's way there is one, which always ends the same. */
  readonly firstMounts: number;
  /** Each is made twice: the healthy calls alone, and beside the dead ones. */
  readonly storms: number;
  /** To each of the two servers. */
  readonly calls: number;
  readonly enter: readonly EnterMode[];
}

/** One NFSv4.2 mount on the node with that way into the rootfs. */
export interface MountSample extends Sample {
  readonly enter: EnterMode;
}

/** The first NFSv3 mount with locks on a node where neither rpcbind nor rpc.statd runs. */
export interface FirstMount {
  readonly status: number;
  /** Until nobody has its output open any more, which is what kubelet waits for. */
  readonly seconds: number;
  /** Whether flock(1) got a lock on the volume; null where nothing was mounted. */
  readonly isLocked: boolean | null;
  /** What it said. */
  readonly output: string;
}

export interface NfsBenchResults {
  readonly mounts: readonly MountSample[];
  readonly firstMounts: readonly FirstMount[];
  readonly original: FirstMount;
  /** The original once more, with an rpcbind that somebody started in its rootfs before. */
  readonly helpedOriginal: FirstMount;
  /** In the order they were made: the healthy calls alone, and beside the dead ones, in turn. */
  readonly storms: readonly StormReport[];
}
