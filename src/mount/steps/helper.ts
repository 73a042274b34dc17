import { MounterError } from '../../errors.ts';
import type { Watchdog } from '../../host/host.ts';
import type { HelperRun } from '../../host/mount-host.ts';
import { environment } from '../../host/programs.ts';
import { hideSecrets } from '../../secrets.ts';
import { provideLockServices } from '../../services/provide.ts';
import type { MountContext } from '../context.ts';
import type { MountPlan } from '../plan-data.ts';
import type { MountSite } from './site.ts';

/** How the helper of a plan is run. */
export interface HelperCall {
  /** As it is inside the rootfs. */
  readonly argv: readonly string[];
  /** In its environment. */
  readonly secrets: Readonly<Record<string, string>>;
  readonly site: MountSite;
  /** Of the whole mount, by the host's clock. */
  readonly deadline: number;
  readonly watchdog: Watchdog | undefined;
}

/**
 * Runs the helper to its end, to the deadline of the whole mount, or until the server is found to refuse it.
 * @returns how it has ended. Its output is without secrets.
 * @throws MounterError where it asked for lock services that cannot be had; nothing of it runs then.
 */
export async function runHelper(
  plan: MountPlan,
  { argv, secrets, site, deadline, watchdog }: HelperCall,
  context: MountContext,
): Promise<HelperRun> {
  const { host, manifest } = context;
  const services = new ServicesOnNotice(plan, context);
  const ran = await host.runHelper({
    argv,
    site,
    leavesDaemon: plan.leavesDaemon,
    privileges: site.privileges,
    environment: { ...environment, ...secrets },
    deadlineMs: Math.max(0, deadline - host.now()),
    terminateMs: manifest.limits.terminateSeconds * 1000,
    watchdog,
    signal: services.failed,
    onNotice: plan.driver.traits.hasLockServices ? () => services.provide() : undefined,
  });
  const failure = await services.end();
  if (failure === undefined)
    return { ...ran, output: plan.driver.withoutNoise(withoutSecrets(plan, secrets, ran.output)) };
  await ran.guardian?.end();
  throw failure;
}

function withoutSecrets({ options }: MountPlan, secrets: HelperCall['secrets'], output: string): string {
  const shown = hideSecrets(options, output);
  // One of a letter or two is part of many words.
  const long = Object.values(secrets).filter((secret) => secret.length > 2);
  return long.reduce((text, secret) => text.replaceAll(secret, '<masked>'), shown);
}

/** For a mount.nfs that settled for v3 and found no rpc.statd: its start-statd says so, and it asks again for 10 s. */
class ServicesOnNotice {
  readonly #plan: MountPlan;
  readonly #context: MountContext;
  readonly #failed = new AbortController();
  #providing: Promise<MounterError | undefined> | undefined;

  constructor(plan: MountPlan, context: MountContext) {
    this.#plan = plan;
    this.#context = context;
  }

  /** Aborted when they cannot be had: the helper waits in vain. */
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
