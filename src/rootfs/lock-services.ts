import { MounterError } from '../errors.ts';
import { exitCode } from '../exit-codes.ts';
import type { Host, Outcome } from '../host/host.ts';
import { rootfsProcesses } from './daemons.ts';
import { enterRootfs } from './enter.ts';
import type { Layout } from './layout.ts';
import type { Manifest } from './manifest.ts';
import { moveToScopes } from './scope.ts';

/** rpcbind and rpc.statd, which an NFSv3 mount with locks needs on this node. */

export interface LockServicesContext {
  readonly host: Host;
  readonly layout: Layout;
  readonly manifest: Manifest;
}

/**
 * Makes rpcbind and rpc.statd answer: asks, and where they do not, has start-statd begin or mend them.
 * Any number of calls at once end with one rpcbind and one rpc.statd: start-statd holds a lock.
 * @param target the mount they are for; errors are about it.
 * @returns whether something had to be started.
 * @throws MounterError (mount failure) when they still do not answer.
 */
export async function provideLockServices(target: string, context: LockServicesContext): Promise<boolean> {
  if (await lockServicesAnswer(context)) return false;
  const outcome = await runInRootfs(context, [context.manifest.daemons.startStatd]);
  if (outcome.endedBy === 'interrupt') throw interrupted(target);
  if (await lockServicesAnswer(context)) {
    await moveLockServicesToScopes(context);
    return true;
  }
  throw new MounterError('rpcbind and rpc.statd do not answer, and NFSv3 locks would hang', {
    subject: target,
    status: exitCode.mountFailure,
    helperOutput: outcome.output,
    hint: 'run mounter exec -- rpcinfo -p 127.0.0.1 to see what is registered; nolock keeps locks on this node, vers=4 needs no lock services',
  });
}

/** Also those that mount.nfs has started by itself: nobody else moves them. */
export async function moveLockServicesToScopes({
  host,
  manifest,
  layout,
}: LockServicesContext): Promise<void> {
  await moveToScopes(host, () =>
    rootfsProcesses(host, layout.versions, manifest).filter(
      ({ role }) => role === 'rpcbind' || role === 'statd',
    ),
  );
}

/**
 * Whether a lock can work: rpcbind on the loopback address knows rpc.statd, and rpc.statd answers a null
 * call. That one question finds every state in which a mount would succeed and flock(2) hang: rpcbind dead,
 * registrations lost, statd dead (measured: FACTS section 3). A list of processes finds none of them.
 */
export async function lockServicesAnswer(context: LockServicesContext): Promise<boolean> {
  const outcome = await runInRootfs(context, ['rpcinfo', '-u', '127.0.0.1', 'status', '1'], 3000);
  return outcome.status === 0 && outcome.endedBy === 'itself';
}

function runInRootfs(
  { host, layout, manifest }: LockServicesContext,
  argv: readonly string[],
  deadlineMs = manifest.limits.daemonSeconds * 1000,
): Promise<Outcome> {
  return host.run({
    argv: enterRootfs(host, layout.rootfs, manifest.enter, argv),
    deadlineMs,
    terminateMs: manifest.limits.terminateSeconds * 1000,
  });
}

function interrupted(target: string): MounterError {
  return new MounterError('interrupted while starting lock services', {
    subject: target,
    status: exitCode.interrupted,
  });
}
