import { MounterError } from '../errors.ts';
import { exitCode } from '../exit-codes.ts';
import type { Command, Host, Outcome, Watchdog } from '../host/host.ts';
import type { NodeSettings } from '../manifest/manifest.ts';
import type { Layout } from '../node/layout.ts';
import { rootfsEntrance } from '../rootfs/entrance.ts';
import { rootfsProcesses } from './daemons.ts';
import { isSystemdRunning, moveToScopes } from './scope.ts';

/** rpcbind and rpc.statd, which an NFSv3 mount with locks needs on this node. */

/** Where `mounter unit --install` puts its units. */
export const unitDirectory = '/etc/systemd/system';

/** The unit of rpc.statd, which brings rpcbind along. */
export const statdUnit = 'containerized-mounter-statd.service';

export interface LockServicesContext {
  readonly host: Host;
  readonly layout: Layout;
  readonly manifest: NodeSettings;
  /** Gives up as an interrupt does, when it is aborted. */
  readonly signal?: AbortSignal | undefined;
}

/** Of the two commands the first tells them apart, and the second says why a daemon does not start. */
export const lockServicesHint =
  'run mounter doctor, which says whether rpcbind or rpc.statd does not answer, then mounter exec -- /usr/sbin/start-statd, which mends them or says why not; vers=4 needs neither, nolock keeps locks on this node';

/**
 * Makes rpcbind and rpc.statd answer: asks, and where they do not, has start-statd begin or mend them.
 * Any number of calls at once end with one rpcbind and one rpc.statd: start-statd holds a lock.
 * @param target the mount they are for; errors are about it.
 * @param watchdog about a start that takes its time.
 * @returns whether something had to be started.
 * @throws MounterError (mount failure) when they still do not answer.
 */
export async function provideLockServices(
  target: string,
  context: LockServicesContext,
  watchdog?: Watchdog,
): Promise<boolean> {
  if (await lockServicesAnswer(context)) return false;
  const { host, layout, manifest } = context;
  if (await startedByUnit(context, watchdog)) return true;
  const inside = rootfsEntrance(layout.rootfs, host);
  const outcome = await start({ argv: [manifest.daemons.startStatd], inside, watchdog }, context);
  if (await lockServicesAnswer(context)) {
    await moveLockServicesToScopes(context);
    return true;
  }
  throw new MounterError('rpcbind and rpc.statd do not answer, and NFSv3 locks would hang', {
    subject: target,
    status: exitCode.mountFailure,
    errorClass: 'lock-service',
    helperOutput: outcome.output,
    hint: lockServicesHint,
  });
}

/**
 * Where `mounter unit` has installed them, systemd starts them as services of their own, and again should
 * they die. A unit that fails leaves the rest to start-statd itself.
 */
async function startedByUnit(context: LockServicesContext, watchdog?: Watchdog): Promise<boolean> {
  const { host } = context;
  if (!isSystemdRunning(host) || host.lstat(`${unitDirectory}/${statdUnit}`)?.kind !== 'file') return false;
  await start({ argv: [host.findProgram('systemctl'), 'start', statdUnit], watchdog }, context);
  return lockServicesAnswer(context);
}

async function start(
  command: Pick<Command, 'argv' | 'inside' | 'watchdog'>,
  { host, manifest, signal }: LockServicesContext,
): Promise<Outcome> {
  const outcome = await host.run({
    ...command,
    // Its turn, rpcbind, rpc.statd: each within the limit of a daemon.
    deadlineMs: 3 * manifest.limits.daemonSeconds * 1000,
    terminateMs: manifest.limits.terminateSeconds * 1000,
    signal,
  });
  if (outcome.endedBy === 'interrupt') throw interrupted();
  return outcome;
}

/** Also those that mount.nfs has started by itself: nobody else moves them. */
export async function moveLockServicesToScopes({
  host,
  manifest,
  layout,
}: LockServicesContext): Promise<void> {
  await moveToScopes(host, () =>
    rootfsProcesses(host, [layout.rootfs], manifest).filter(
      ({ role }) => role === 'rpcbind' || role === 'statd' || role === 'sm-notify',
    ),
  );
}

/**
 * Whether a lock can work: rpcbind on the loopback address knows rpc.statd, and rpc.statd answers a null
 * call. That one question finds every state in which a mount would succeed and flock(2) hang: rpcbind dead,
 * registrations lost, statd dead (each was tried). A list of processes finds none of them.
 */
export async function lockServicesAnswer(context: LockServicesContext): Promise<boolean> {
  return (await rpcinfo(context, '-u', '127.0.0.1', 'status', '1')).answers;
}

/** The rootfs's rpcinfo(8), within a limit. */
export async function rpcinfo(
  { host, layout, signal }: LockServicesContext,
  ...args: readonly string[]
): Promise<{ readonly answers: boolean; readonly output: string }> {
  const { status, endedBy, output } = await host.run({
    argv: ['rpcinfo', ...args],
    inside: rootfsEntrance(layout.rootfs, host),
    deadlineMs: answerMs,
    // libtirpc blocks SIGTERM while it waits for an answer, for up to a minute.
    terminateMs: 0,
    signal,
  });
  if (endedBy === 'interrupt') throw interrupted();
  return { answers: status === 0 && endedBy === 'itself', output };
}

/** On the loopback address an answer takes a millisecond; on a node under load, much longer. */
const answerMs = 3000;

function interrupted(): MounterError {
  return new MounterError('interrupted while asking for lock services', {
    status: exitCode.interrupted,
  });
}
