import { setTimeout } from 'node:timers/promises';
import { mounter, type Ran, type ScratchNode } from '../node/namespace.ts';

/** A kubelet that runs in a scratch node. */
export interface RunningKubelet {
  /** As the node numbers it. */
  readonly pid: number;
  readonly ended: Promise<Ran>;
}

/** `mounter kubelet ARGV --wait`, until it is at work. */
export async function startKubelet(node: ScratchNode, ...argv: readonly string[]): Promise<RunningKubelet> {
  const before = new Set(kubeletsOf(node));
  // The shell tells how a signal ended it.
  const script = `trap : HUP TERM; "$@"; exit $?`;
  const ended = node.run(['sh', '-c', script, 'sh', mounter, 'kubelet', ...argv, '--wait']);
  let ran: Ran | undefined;
  void ended.then((result) => {
    ran = result;
  });
  for (;;) {
    const pid = kubeletsOf(node).find((other) => !before.has(other));
    if (pid !== undefined && isWaiting(node, pid)) return { pid, ended };
    if (ran !== undefined) throw new Error(`status ${ran.status}: ${ran.stderr}`);
    await setTimeout(20);
  }
}

export function kubeletsOf(node: ScratchNode): readonly number[] {
  return node.processesOf('kubelet').map(({ pid }) => pid);
}

/** It has set its signal handlers. */
function isWaiting(node: ScratchNode, pid: number): boolean {
  try {
    return /^SigCgt:\t(?!0+$)/m.test(node.read(`/proc/${pid}/status`));
  } catch {
    return false;
  }
}
