import { MounterError } from '../errors.ts';
import { exitCode } from '../exit-codes.ts';
import type { Command, Host, Outcome, Watchdog } from '../host/host.ts';
import type { NodeSettings } from '../manifest/manifest.ts';
import type { Layout } from '../node/layout.ts';
import { rootfsEntrance } from '../rootfs/entrance.ts';
import { isSystemdRunning, moveToScopes } from './scope.ts';
import { lockServices, rootfsProcesses, type Service, serviceOf } from './services.ts';

/** Makes the services of the table answer that a mount needs on this node. */

/** Where `mounter unit --install` puts its units. */
export const unitDirectory = '/etc/systemd/system';

/** Its unit brings rpcbind along. */
const statd = serviceOf('statd');

export interface ServicesContext {
  readonly host: Host;
  readonly layout: Layout;
  readonly manifest: NodeSettings;
  /** Gives up as an interrupt does, when it is aborted. */
  readonly signal?: AbortSignal | undefined;
}

/** The first command tells the two apart; the second says why a daemon does not start. */
export const lockServicesHint =
  'run mounter doctor, which says whether rpcbind or rpc.statd does not answer, then mounter exec -- /usr/sbin/start-statd, which mends them or says why not; vers=4 needs neither, nolock keeps locks on this node';

/**
 * Asks whether locks work, and where they do not, has start-statd, which holds a lock, start or mend what is missing.
 * @param target the mount they are for; errors are about it.
 * @param watchdog asked during a start that takes its time.
 * @returns whether something had to be started.
 * @throws MounterError (mount failure) when they still do not answer.
 */
export async function provideLockServices(
  target: string,
  context: ServicesContext,
  watchdog?: Watchdog,
): Promise<boolean> {
  if (await lockServicesAnswer(context)) return false;
  const { host, layout, manifest } = context;
  if (await startedByUnit(statd, context, watchdog)) return true;
  const inside = rootfsEntrance(layout.rootfs, host);
  const outcome = await start({ argv: [manifest.daemons.startStatd], inside, watchdog }, context);
  if (await lockServicesAnswer(context)) {
    await moveServicesToScopes(context);
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

/** By the units that `mounter unit` has installed, if any: systemd restarts what dies. @returns whether it answers now. */
export async function startedByUnit(
  service: Service,
  context: ServicesContext,
  watchdog?: Watchdog,
): Promise<boolean> {
  const { host } = context;
  if (!hasUnit(service, host)) return false;
  await start({ argv: [host.findProgram('systemctl'), 'start', service.unit], watchdog }, context);
  return (await askInRootfs(service.question, context)).answers;
}

export function hasUnit({ unit }: Service, host: Host): boolean {
  return isSystemdRunning(host) && host.lstat(`${unitDirectory}/${unit}`)?.kind === 'file';
}

export async function start(
  command: Pick<Command, 'argv' | 'inside' | 'watchdog'>,
  { host, manifest, signal }: ServicesContext,
): Promise<Outcome> {
  const outcome = await host.run({
    ...command,
    // Each daemon has this limit, and so has the wait for another start-statd.
    deadlineMs: (1 + lockServices.length) * manifest.limits.daemonSeconds * 1000,
    terminateMs: manifest.limits.terminateSeconds * 1000,
    signal,
  });
  if (outcome.endedBy === 'interrupt') throw interrupted();
  return outcome;
}

/** Also the daemons that mount.nfs has started by itself, for nobody else moves those. */
export async function moveServicesToScopes({ host, manifest, layout }: ServicesContext): Promise<void> {
  await moveToScopes(host, () =>
    rootfsProcesses(host, [layout.rootfs], manifest).filter(
      ({ role }) => role !== 'glusterfs' && role !== 'other',
    ),
  );
}

/** Whether a lock can work: rpcbind on the loopback address knows rpc.statd, and rpc.statd answers a null call. */
async function lockServicesAnswer(context: ServicesContext): Promise<boolean> {
  return (await askInRootfs(statd.question, context)).answers;
}

/** Runs a question in the rootfs. @returns whether it ended in time with status 0, and what it printed. */
export async function askInRootfs(
  argv: readonly string[],
  { host, layout, signal }: ServicesContext,
): Promise<{ readonly answers: boolean; readonly output: string }> {
  const { status, endedBy, output } = await host.run({
    argv,
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
  return new MounterError('interrupted while asking services of this node', {
    status: exitCode.interrupted,
  });
}
