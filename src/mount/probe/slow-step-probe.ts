import type { Watchdog } from '../../host/host.ts';
import type { MountContext } from '../context.ts';
import type { MountService } from '../filesystems/filesystem-driver.ts';
import type { MountPlan } from '../plan-data.ts';
import type { ProbeFailure } from './probe-failure.ts';

/** A helper does this much without a server: to find that an option is none of its own, say. */
const leastPatienceMs = 200;

/** Why a call takes its time: the first step that is slow asks the server, once, while it goes on. Loaded only then. */
export class SlowStepProbe {
  readonly #plan: MountPlan;
  readonly #calledMs: number;
  readonly #context: MountContext;
  readonly #over = new AbortController();
  #answer: Promise<ProbeFailure | undefined> | undefined;
  #probeFailure: ProbeFailure | undefined;
  /** Daemons of this node that the helper waits for. */
  readonly services: MountService[] = [];

  /** To be made when the mount begins. */
  constructor(plan: MountPlan, context: MountContext) {
    this.#plan = plan;
    this.#calledMs = context.host.now();
    this.#context = context;
  }

  /** Why the mount can come to nothing, where that was found. */
  get probeFailure(): ProbeFailure | undefined {
    return this.#probeFailure;
  }

  /** For the start of the lock services, which is not to be broken off: the server is asked meanwhile. */
  whileServicesStart(): Watchdog {
    const shouldAbort = async () => {
      void this.#ask();
      return false;
    };
    return { afterMs: this.#patienceMs(), shouldAbort };
  }

  /** For the helper, which ends when the server is found to refuse it. */
  whileHelperRuns(): Watchdog {
    const shouldAbort = async (over: AbortSignal) => {
      over.addEventListener('abort', () => this.#over.abort());
      return (await this.#ask()) !== undefined;
    };
    return { afterMs: this.#patienceMs(), shouldAbort };
  }

  /** What is still being asked would outlive the call. */
  async end(): Promise<void> {
    if (this.#answer === undefined) return;
    this.#over.abort();
    await this.#answer;
  }

  /** What the steps before took counts: the caller has waited for them, too. */
  #patienceMs(): number {
    const { host, manifest } = this.#context;
    const probeAfterMs = manifest.limits.probeAfterSeconds * 1000;
    return Math.max(Math.min(leastPatienceMs, probeAfterMs), probeAfterMs - (host.now() - this.#calledMs));
  }

  #ask(): Promise<ProbeFailure | undefined> {
    this.#answer ??= this.#examine().catch(() => undefined);
    return this.#answer;
  }

  async #examine(): Promise<ProbeFailure | undefined> {
    const { examine } = await import('./examine.ts');
    const over = this.#over.signal;
    this.#probeFailure = await examine(this.#plan, this.#context, over);
    for (const service of this.services) this.#probeFailure ??= await service.watch(over);
    return this.#probeFailure;
  }
}
