import { MounterError } from '../errors.ts';
import type { Watchdog } from '../host/host.ts';
import type { HelperRun } from '../host/mount-host.ts';
import type { MountEntry } from '../host/mountinfo.ts';
import { asMounterError } from '../host/system-error.ts';
import { areCopiesOld, type Stamps } from '../resolver/stamps.ts';
import { moveServicesToScopes, provideLockServices } from '../services/provide.ts';
import { moveToScopes } from '../services/scope.ts';
import type { MountContext } from './context.ts';
import type { Failure } from './failure/explain.ts';
import type { SecurityPurpose } from './filesystems/filesystem-driver.ts';
import type { MountPlan, MountStep, RunHelper } from './plan-data.ts';
import { forget, isRemembering } from './probe/failure-cache/file.ts';
import { SlowStepProbe } from './probe/slow-step-probe.ts';
import { attach, mountedApart } from './steps/attach.ts';
import { undoMount } from './steps/chroot/undo.ts';
import { mountOn, verifyMounted } from './steps/chroot/verify.ts';
import { runHelper } from './steps/helper.ts';
import type { OpenTarget } from './steps/path-walk.ts';
import { checkDevice, checkFile, checkHelper } from './steps/preconditions.ts';
import { setReadAhead } from './steps/read-ahead.ts';
import { type MountSite, requirePrepared, siteFor } from './steps/site.ts';
import { openTarget } from './steps/target.ts';

export interface MountResult {
  /** The target had this source mounted before the call; nothing was run. */
  readonly wasMounted: boolean;
  /** What the helper said, success notwithstanding, and we: warnings. */
  readonly helperOutput: string;
}

export interface RunContext extends MountContext {
  /** Told of each step before it is done; for `-v`. */
  readonly report: (step: MountStep) => void;
}

/**
 * Does what the plan says. Success means that the mount is on the target; otherwise nothing of it is anywhere.
 * @throws MounterError with mount(8)'s status, or the helper's own.
 */
export async function runPlan(plan: MountPlan, context: RunContext): Promise<MountResult> {
  const startedMs = context.host.now();
  try {
    return await runOnce(plan, context);
  } catch (error) {
    const isSoon = context.host.now() - startedMs < soonMs;
    if (!isSoon || !(await hasNewNameServers(asMounterError(error), context))) throw error;
    forget(plan.failureCache, context.host);
    return await runOnce(plan, context);
  }
}

/** A name is not found for longer where its servers are silent: a second time is for where there are none. */
const soonMs = 10_000;

/**
 * kubelet writes the rootfs's resolv.conf at its start, perhaps without a name server, and nobody looks at it before a
 * mount fails.
 */
async function hasNewNameServers({ errorClass }: MounterError, context: MountContext): Promise<boolean> {
  if (errorClass !== 'name-resolution') return false;
  return (await import('../resolver/refresh.ts')).refreshResolvConfIfPossible(context);
}

async function runOnce(plan: MountPlan, context: RunContext): Promise<MountResult> {
  const run = new MountRun(plan, context);
  try {
    for (const step of plan.steps) {
      context.report(step);
      const done = run.do(step);
      if (done !== undefined && (await done) === 'mounted') return { wasMounted: true, helperOutput: '' };
    }
    return { wasMounted: false, helperOutput: run.helperOutput };
  } catch (error) {
    const remains = await run.undo();
    throw remains === undefined ? error : withRemains(asMounterError(error), remains);
  } finally {
    await run.end();
  }
}

async function refreshResolver(context: MountContext): Promise<undefined> {
  (await import('../resolver/refresh.ts')).refreshResolvConfIfPossible(context);
}

async function copyNodeFiles(copies: Stamps, { manifest }: MountContext): Promise<undefined> {
  (await import('../resolver/node-files.ts')).copyNodeFilesIfPossible(copies, manifest);
}

async function checkServer(plan: MountPlan, context: MountContext): Promise<undefined> {
  await (await import('./failure/explain.ts')).failAsRemembered(plan, context);
}

/** Why the mount failed comes first. */
function withRemains(error: MounterError, remains: string): MounterError {
  return new MounterError(`${error.message}; ${remains}`, error);
}

/** What the steps of one mount hand on to each other. */
class MountRun {
  readonly #plan: MountPlan;
  readonly #context: RunContext;
  readonly #probe: SlowStepProbe;
  readonly #startedMs: number;
  readonly #deadline: number;
  #target: OpenTarget | undefined;
  #site: MountSite | undefined;
  #ran: HelperRun | undefined;
  #entry: MountEntry | undefined;
  #warning = '';
  #isAttached = false;
  #undone: Promise<string | undefined> | undefined;

  constructor(plan: MountPlan, context: RunContext) {
    this.#plan = plan;
    this.#context = context;
    this.#probe = new SlowStepProbe(plan, context);
    this.#startedMs = context.host.now();
    this.#deadline = this.#startedMs + context.manifest.limits.mountSeconds * 1000;
  }

  get helperOutput(): string {
    return `${this.#ran?.output ?? ''}${this.#warning}`;
  }

  /** @returns undefined where it is done, for most are done at once; 'mounted' where there is nothing more to do. */
  do(step: MountStep): Promise<'mounted' | undefined> | undefined {
    const [plan, context] = [this.#plan, this.#context];
    switch (step.kind) {
      case 'checkHelper':
        checkHelper(step.path, plan.driver.traits.isGuarded, context);
        return undefined;
      case 'checkDevice':
        checkDevice(step.path, context);
        return undefined;
      case 'checkTarget':
        return this.#openTarget(step.identityMount);
      case 'refreshResolver':
        return refreshResolver(context);
      case 'copyNodeFiles': {
        const copies = { host: context.host, rootfs: context.layout.rootfs };
        return areCopiesOld(copies) ? copyNodeFiles(copies, context) : undefined;
      }
      case 'checkFile':
        checkFile(step, context);
        return undefined;
      case 'checkServer':
        return isRemembering(plan.failureCache, context.host) ? checkServer(plan, context) : undefined;
      case 'provideLockServices':
        return this.#provideLockServicesFirst();
      case 'provideSecurityServices':
        return this.#provideSecurityServices(step.purpose);
      case 'runHelper':
        return this.#runHelper(step);
      case 'verifyMounted':
        if (!this.#isAsAsked()) return this.#explainNothingMounted();
        return this.#probe.services.length > 0 ? this.#confirm() : undefined;
      case 'provideLockServicesIfVersion3':
        return plan.driver.hasNegotiatedLocks(plan, this.#entry, context)
          ? this.#provideLockServices()
          : undefined;
      case 'setReadAhead':
        this.#warning = setReadAhead(step, plan, this.#entry, context);
        return undefined;
      case 'attach':
        return this.#attach();
      default:
        return step satisfies never;
    }
  }

  async #openTarget(identityMount: string): Promise<'mounted' | undefined> {
    const found = await openTarget(this.#plan, identityMount, this.#deadline, this.#context);
    if (found === 'mounted') return found;
    this.#target = found;
    return undefined;
  }

  async #provideLockServicesFirst(): Promise<undefined> {
    requirePrepared(this.#plan, this.#opened(), this.#context);
    await provideLockServices(this.#plan.target, this.#context, this.#probe.whileServicesStart());
  }

  async #provideSecurityServices(purpose: SecurityPurpose): Promise<undefined> {
    requirePrepared(this.#plan, this.#opened(), this.#context);
    const service = await this.#plan.driver.provideSecurity(purpose, this.#plan, this.#context);
    if (service !== undefined) this.#probe.services.push(service);
  }

  async #runHelper(step: RunHelper): Promise<undefined> {
    const context = this.#context;
    const failure = await this.#tryHelper(step, this.#probe.whileHelperRuns());
    if (failure === undefined) return;
    const isUndone = (await this.undo()) === undefined;
    const { secondTry } = await import('./failure/second-try.ts');
    const tried = await secondTry(step, failure, context);
    const { second } = tried;
    const { explainFailure } = await import('./failure/explain.ts');
    if (second === undefined || !isUndone) throw await explainFailure(tried.failure, context);
    context.report(second.step);
    this.#undone = undefined;
    const last = await this.#tryHelper(second.step, undefined);
    if (last === undefined) return;
    await this.undo();
    throw await explainFailure({ ...last, otherFamily: second.otherFamily }, context);
  }

  /** @returns how it has failed, where it has. */
  async #tryHelper(
    { argv, secrets = {} }: RunHelper,
    watchdog: Watchdog | undefined,
  ): Promise<Failure | undefined> {
    const [plan, context] = [this.#plan, this.#context];
    const site = siteFor(plan, this.#opened(), context);
    this.#site = site;
    const startedMs = context.host.now();
    const call = { argv, secrets, site, deadline: this.#deadline, watchdog };
    const outcome = await runHelper(plan, call, context);
    this.#ran = outcome;
    if (outcome.status === 0 && outcome.endedBy === 'itself') return undefined;
    return {
      plan,
      outcome,
      probeFailure: watchdog && this.#probe.probeFailure,
      startedMs,
      logBefore: site.before,
      services: this.#probe.services,
    };
  }

  /** What the helper reports as done. */
  #isAsAsked(): boolean {
    const { target, site, ran } = this.#made();
    const [plan, context] = [this.#plan, this.#context];
    if (site.kind === 'chroot') return verifyMounted(plan, target, ran.output, context);
    this.#entry = mountedApart(plan, site, context);
    return this.#entry !== undefined;
  }

  /** What cannot be looked at may go without what was asked for. */
  async #confirm(): Promise<undefined> {
    const looks = this.#probe.services.flatMap(({ confirm }) => confirm ?? []);
    if (looks.length === 0) return;
    const made = this.#entry ?? mountOn(this.#plan.target, this.#context);
    if (made === undefined) return this.#explainNothingMounted();
    for (const look of looks) look(made);
  }

  async #explainNothingMounted(): Promise<never> {
    const { site, ran } = this.#made();
    const [plan, context] = [this.#plan, this.#context];
    const { explainNothingMounted } = await import('./failure/explain.ts');
    const [startedMs, logBefore] = [this.#startedMs, site.before];
    const failure = { plan, outcome: ran, probeFailure: undefined, startedMs, logBefore };
    throw await explainNothingMounted(failure, context);
  }

  /** A v3 mount whose locks would hang is no success. */
  async #provideLockServices(): Promise<undefined> {
    const hasStarted = await provideLockServices(this.#plan.target, this.#context);
    // mount.nfs may have had start-statd start them a moment ago.
    if (!hasStarted) await moveServicesToScopes(this.#context);
  }

  async #attach(): Promise<undefined> {
    const { host } = this.#context;
    const daemons = await attach(this.#plan, { ...this.#made(), deadline: this.#deadline }, this.#context);
    this.#isAttached = true;
    forget(this.#plan.failureCache, host);
    const role = this.#plan.driver.daemon ?? 'daemon';
    if (daemons.length > 0) await moveToScopes(host, () => daemons.map((pid) => ({ role, pid })));
  }

  /** Ends what the call has made, once. @returns what could not be taken away, and where it is. */
  undo(): Promise<string | undefined> {
    this.#undone ??= this.#undo();
    return this.#undone;
  }

  async #undo(): Promise<string | undefined> {
    if (this.#isAttached) return undefined;
    await this.#ran?.guardian?.end();
    return this.#site?.kind === 'chroot' && this.#target !== undefined
      ? undoMount(this.#plan, this.#target, this.#context)
      : undefined;
  }

  /** What is still being asked would outlive the call. */
  end(): Promise<void> {
    return this.#probe.end();
  }

  #opened(): OpenTarget {
    if (this.#target === undefined) throw new Error('the plan runs a helper before it opens the target');
    return this.#target;
  }

  #made(): { readonly target: OpenTarget; readonly site: MountSite; readonly ran: HelperRun } {
    if (this.#site === undefined || this.#ran === undefined)
      throw new Error('the plan looks for a mount before it runs a helper');
    return { target: this.#opened(), site: this.#site, ran: this.#ran };
  }
}
