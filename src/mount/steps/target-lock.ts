import { MounterError } from '../../errors.ts';
import { exitCode } from '../../exit-codes.ts';
import { fnv } from '../../host/fnv.ts';
import type { Descriptor, OpenStatus } from '../../host/mount-host.ts';
import type { MountContext } from '../context.ts';
import { nameOf } from './path-walk.ts';

/** A helper takes 40 ms and more; the first look is soon, for the one that has the lock may be about to end. */
const firstPollMs = 2;
const lastPollMs = 20;

/**
 * Waits until no other call is at work on this target. The lock ends with this process, however that ends.
 * @param parent the directory that the target is in: what is mounted on the target does not change that.
 * @param deadline of the whole mount, by the host's clock.
 * @throws MounterError (mount failure, class deadline) at the deadline; (interrupted) when a signal has come.
 */
export async function lockTarget(
  target: string,
  parent: { readonly file: Descriptor; readonly status: OpenStatus },
  deadline: number,
  { host, isInterrupted }: MountContext,
): Promise<void> {
  const number = hash52(`${parent.status.device} ${parent.status.inode} ${nameOf(target)}`);
  for (
    let pollMs = firstPollMs;
    !host.lockTarget(number, parent.file);
    pollMs = Math.min(pollMs * 2, lastPollMs)
  ) {
    if (isInterrupted())
      throw new MounterError('interrupted while another call mounted on this target', {
        subject: target,
        status: exitCode.interrupted,
      });
    if (host.now() >= deadline) throw heldTooLong(target);
    await host.sleep(pollMs);
  }
}

function heldTooLong(target: string): MounterError {
  return new MounterError('another call is still mounting on this target', {
    subject: target,
    status: exitCode.mountFailure,
    errorClass: 'deadline',
    hint: 'see what waits: ps -ef | grep mount; kubelet tries again by itself',
  });
}

/** Two runs of FNV-1a, 26 bits of each: among thousands of targets no two have one number. */
function hash52(text: string): number {
  return (fnv(text) % 2 ** 26) * 2 ** 26 + (fnv(text, 0x9e3779b9) % 2 ** 26);
}
