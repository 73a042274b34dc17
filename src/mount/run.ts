import { MounterError } from '../errors.ts';
import { asMounterError } from '../host/system-error.ts';
import { moveLockServicesToScopes, provideLockServices } from '../lock-services/lock-services.ts';
import { moveToScopes } from '../lock-services/scope.ts';
import type { MountContext } from './context.ts';
import { negotiatedVersion3 } from './filesystems/nfs/negotiated.ts';
import type { MountPlan, MountStep } from './plan.ts';
import type { WrittenFile } from './policy/options.ts';
import { forget, isRemembering } from './probe/failure-cache/file.ts';
import { SlowStepProbe } from './probe/slow-step-probe.ts';
import { undoMount } from './steps/chroot/undo.ts';
import { verifyMounted } from './steps/chroot/verify.ts';
import { attach, mountedApart } from './steps/finish.ts';
import { type HelperSuccess, runHelper } from './steps/helper.ts';
import { checkDevice, checkHelper } from './steps/preconditions.ts';
import { type MountSite, requirePrepared, siteFor } from './steps/site.ts';
import { type OpenTarget, openTarget } from './steps/target.ts';
import { checkFile } from './steps/written-file.ts';

export interface MountResult {
  /** The target had this source mounted before the call; nothing was run. */
  readonly wasMounted: boolean;
  /** What the helper said, success notwithstanding: its warnings. */
  readonly helperOutput: string;
}

/**
 * Does what the plan says, in its order. Success means that the mount is on the target; otherwise nothing of it is
 * anywhere.
 * @throws MounterError with mount(8)'s status, or the helper's own.
 */
export async function runPlan(plan: MountPlan, context: MountContext): Promise<MountResult> {
  const probe = new SlowStepProbe(plan, context);
  const run = new MountRun(plan, probe, context);
  try {
    for (const step of plan.steps) {
      context.report(step);
      if ((await run.do(step)) === 'mounted') return { wasMounted: true, helperOutput: '' };
    }
    return { wasMounted: false, helperOutput: run.helperOutput };
  } catch (error) {
    const remains = await run.undo();
    throw remains === undefined ? error : withRemains(asMounterError(error), remains);
  } finally {
    await probe.end();
  }
}

/** Why the mount failed comes first. */
function withRemains(error: MounterError, remains: string): MounterError {
  return new MounterError(`${error.message}; ${remains}`, error);
}

/** What the steps of one mount hand on to each other. */
class MountRun {
  readonly #plan: MountPlan;
  readonly #probe: SlowStepProbe;
  readonly #context: MountContext;
  readonly #startedMs: number;
  readonly #deadline: number;
  readonly #written: WrittenFile[] = [];
  #target: OpenTarget | undefined;
  #site: MountSite | undefined;
  #success: HelperSuccess | undefined;
  #isVersion3 = false;
  #isAttached = false;
  #undone: Promise<string | undefined> | undefined;

  constructor(plan: MountPlan, probe: SlowStepProbe, context: MountContext) {
    this.#plan = plan;
    this.#probe = probe;
    this.#context = context;
    this.#startedMs = context.host.now();
    this.#deadline = this.#startedMs + context.manifest.limits.mountSeconds * 1000;
  }

  get helperOutput(): string {
    return this.#success?.output ?? '';
  }

  /** @returns 'mounted' where there is nothing more to do. */
  async do(step: MountStep): Promise<'mounted' | undefined> {
    const [plan, context] = [this.#plan, this.#context];
    switch (step.kind) {
      case 'checkHelper':
        checkHelper(step.path, context);
        break;
      case 'checkDevice':
        checkDevice(step.path, context);
        break;
      case 'checkTarget': {
        const found = await openTarget(plan, step.identityMount, this.#deadline, context);
        if (found === 'mounted') return found;
        this.#target = found;
        break;
      }
      case 'refreshResolver':
        (await import('../resolver/refresh.ts')).refreshResolvConfIfPossible(context);
        break;
      case 'checkFile':
        checkFile(step, context);
        this.#written.push(step);
        break;
      case 'checkServer':
        if (isRemembering(plan.failureCache, context.host))
          await (await import('./failure/cached.ts')).failAsRemembered(plan, context);
        break;
      case 'provideLockServices':
        requirePrepared(plan, this.#opened(), context);
        await provideLockServices(plan.target, context, this.#probe.whileServicesStart());
        break;
      case 'runHelper':
        await this.#runHelper(step);
        break;
      case 'verifyMounted':
        await this.#verify();
        break;
      case 'provideLockServicesIfVersion3':
        if (this.#isVersion3) await this.#provideLockServices();
        break;
      case 'attach':
        await this.#attach();
        break;
      default:
        step satisfies never;
    }
    return undefined;
  }

  async #runHelper(step: Extract<MountStep, { kind: 'runHelper' }>): Promise<void> {
    const target = this.#opened();
    this.#site = siteFor(this.#plan, target, this.#written, this.#context);
    this.#success = await runHelper(
      step,
      this.#plan,
      this.#site,
      this.#deadline,
      this.#probe,
      () => this.undo(),
      this.#context,
    );
  }

  async #verify(): Promise<void> {
    const { target, site, success } = this.#mounted();
    const [plan, context] = [this.#plan, this.#context];
    if (site.kind === 'apart') {
      const entry = mountedApart(plan, site, context);
      this.#isVersion3 = entry?.superOptions.includes('vers=3') ?? false;
      if (entry !== undefined) return;
    } else if (verifyMounted(plan, target, success.output, context)) {
      this.#isVersion3 = plan.kind === 'nfs' && negotiatedVersion3(plan, context);
      return;
    }
    const { explainNothingMounted } = await import('./failure/explain.ts');
    const outcome = { status: 0, endedBy: 'itself', output: success.output } as const;
    throw explainNothingMounted(
      { plan, outcome, probeFailure: undefined, startedMs: this.#startedMs },
      context,
    );
  }

  /** A v3 mount whose locks would hang is no success. */
  async #provideLockServices(): Promise<void> {
    const hasStarted = await provideLockServices(this.#plan.target, this.#context);
    // mount.nfs may have had start-statd start them a moment ago.
    if (!hasStarted) await moveLockServicesToScopes(this.#context);
  }

  async #attach(): Promise<void> {
    const { target, site, success } = this.#mounted();
    const { host } = this.#context;
    const daemons = await attach(this.#plan, site, target, success, this.#deadline, this.#context);
    this.#isAttached = true;
    forget(this.#plan.failureCache, host);
    await moveToScopes(host, () => daemons.map((pid) => ({ role: 'glusterfs', pid })));
  }

  /**
   * Ends what the call has made, once. In a namespace of its own that goes with the process, but for daemons.
   * @returns what could not be taken away, and where it is.
   */
  undo(): Promise<string | undefined> {
    this.#undone ??= this.#undo();
    return this.#undone;
  }

  async #undo(): Promise<string | undefined> {
    if (this.#isAttached) return undefined;
    await this.#success?.guardian?.end();
    return this.#site?.kind === 'chroot' && this.#target !== undefined
      ? undoMount(this.#plan, this.#target, this.#context)
      : undefined;
  }

  #opened(): OpenTarget {
    if (this.#target === undefined) throw new Error('the plan runs a helper before it opens the target');
    return this.#target;
  }

  #mounted(): { readonly target: OpenTarget; readonly site: MountSite; readonly success: HelperSuccess } {
    if (this.#site === undefined || this.#success === undefined)
      throw new Error('the plan looks for a mount before it runs a helper');
    return { target: this.#opened(), site: this.#site, success: this.#success };
  }
}
