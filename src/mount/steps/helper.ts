import { MounterError } from '../../errors.ts';
import { environment } from '../../host/child-environment.ts';
import type { Guardian, HelperRun } from '../../host/mount-host.ts';
import { provideLockServices } from '../../lock-services/lock-services.ts';
import { hideSecrets } from '../../secrets.ts';
import type { MountContext } from '../context.ts';
import type { MountPlan, MountStep } from '../plan.ts';
import type { SlowStepProbe } from '../probe/slow-step-probe.ts';
import type { MountSite } from './site.ts';

/** A helper that has ended well. */
export interface HelperSuccess {
  /** What it said. */
  readonly output: string;
  /** Of what it has left running. */
  readonly guardian: Guardian | undefined;
}

/** mount.nfs would take root's group before it runs start-statd, and goes on where it may not. @see Privileges */
const ofOurGroup = /^mount\.nfs4?: setgid\(0\) failed: .*\n/gm;

/**
 * Runs the helper to its end, to the deadline of the whole mount, or until the server is found to refuse it.
 * @param deadline of the whole mount, by the host's clock.
 * @param undo takes away what a helper that failed has mounted: before anything is looked at.
 * @throws MounterError with the helper's status when it failed; nothing of it runs then.
 */
export async function runHelper(
  { argv }: Extract<MountStep, { kind: 'runHelper' }>,
  plan: MountPlan,
  site: MountSite,
  deadline: number,
  probe: SlowStepProbe,
  undo: () => Promise<unknown>,
  context: MountContext,
): Promise<HelperSuccess> {
  const { host, manifest } = context;
  const startedMs = host.now();
  const services = new ServicesOnNotice(plan, context);
  const ran = await host.runHelper({
    argv,
    site,
    leavesDaemon: plan.leavesDaemon,
    privileges: site.privileges,
    environment,
    deadlineMs: Math.max(0, deadline - startedMs),
    terminateMs: manifest.limits.terminateSeconds * 1000,
    watchdog: probe.whileHelperRuns(),
    signal: services.failed,
    onNotice: plan.kind === 'nfs' ? () => services.provide() : undefined,
  });
  const outcome: HelperRun = {
    ...ran,
    output: hideSecrets(plan.options, ran.output).replace(ofOurGroup, ''),
  };
  const failure = await services.end();
  if (failure === undefined && outcome.status === 0 && outcome.endedBy === 'itself')
    return { output: outcome.output, guardian: outcome.guardian };
  await outcome.guardian?.end();
  await undo();
  if (failure !== undefined) throw failure;
  const { explainFailure } = await import('../failure/explain.ts');
  const { probeFailure } = probe;
  throw await explainFailure({ plan, outcome, probeFailure, startedMs }, context);
}

/**
 * rpcbind and rpc.statd for a mount.nfs that has settled for v3 and found none: it says so by the start-statd of its
 * view, and asks for them again for 10 s.
 */
class ServicesOnNotice {
  readonly #plan: MountPlan;
  readonly #context: MountContext;
  readonly #failed = new AbortController();
  #providing: Promise<MounterError | undefined> | undefined;

  constructor(plan: MountPlan, context: MountContext) {
    this.#plan = plan;
    this.#context = context;
  }

  /** Aborted when they can't be had: the helper waits in vain. */
  get failed(): AbortSignal {
    return this.#failed.signal;
  }

  provide(): void {
    this.#providing ??= provideLockServices(this.#plan.target, this.#context).then(
      () => undefined,
      (error: unknown) => {
        this.#failed.abort();
        if (error instanceof MounterError) return error;
        throw error;
      },
    );
  }

  /** @returns why they could not be had, where they were asked for. */
  async end(): Promise<MounterError | undefined> {
    return this.#providing;
  }
}
