import { type ErrorClass, MounterError } from '../../errors.ts';
import { exitCode } from '../../exit-codes.ts';
import type { Outcome } from '../../host/host.ts';
import type { FileEnd, MountHost } from '../../host/mount-host.ts';
import { parseOptions } from '../arguments/options.ts';
import type { MountContext } from '../context.ts';
import type { FailureTexts, HintFacts, MountService } from '../filesystems/filesystem-driver.ts';
import { hintFor } from '../filesystems/hints.ts';
import type { MountPlan } from '../plan-data.ts';
import { askAlone, singleFlight } from '../probe/examine.ts';
import { failureCacheOf, recall } from '../probe/failure-cache/failure-cache.ts';
import type { OtherFamily, ProbeFailure } from '../probe/probe-failure.ts';
import { nameOf, parentOf, walk } from '../steps/path-walk.ts';
import { describeProbeFailure } from './describe.ts';
import { reachedMountMax } from './not-attached.ts';

/** A helper's run that came to nothing. */
export interface Failure {
  readonly plan: MountPlan;
  readonly outcome: Outcome;
  /** Why it cannot have come to anything, where that was asked meanwhile. */
  readonly probeFailure: ProbeFailure | undefined;
  /** The server was asked after its end as well: once more would bring no other answer. */
  readonly isAsked?: boolean;
  /** By the host's clock, in milliseconds. */
  readonly startedMs: number;
  /** How far the daemon's log was written then; undefined where there is none. */
  readonly logBefore: FileEnd | undefined;
  /** The daemons that it takes besides. */
  readonly services?: readonly MountService[];
  /** Why it was run a second time, which is what this tells of. */
  readonly otherFamily?: OtherFamily | undefined;
}

/** What is known of a failure. */
interface Finding {
  readonly errorClass: ErrorClass;
  readonly message: string;
  readonly status: number;
  readonly probeFailure?: ProbeFailure | undefined;
  readonly hint?: string;
  /** The server that it is about, where that need not be the one of the source. */
  readonly server?: string | undefined;
}

/** What was done and seen decides the class, the helper's words come last. To be called when everything is undone. */
export async function explainFailure(failure: Failure, context: MountContext): Promise<MounterError> {
  const texts = await failure.plan.driver.failureTexts();
  if (failure.outcome.endedBy === 'itself')
    for (const service of failure.services ?? []) await service.settle();
  const helperOutput = wordsOf(failure, texts, context);
  const words = ownWords(texts, helperOutput, failure.plan);
  const finding =
    whatWasDone(failure, context) ??
    whatWasSeen(failure, texts, context, words) ??
    (await whatServiceSays(failure, texts, context)) ??
    (await whatWasSaid(failure, texts, context, words));
  return errorOf(failure.plan, withFirst(finding, failure.otherFamily), texts, context, helperOutput);
}

/** What became of the first try, by the other family of addresses. */
function withFirst(finding: Finding, otherFamily: OtherFamily | undefined): Finding {
  if (otherFamily === undefined) return finding;
  const { sentence } = describeProbeFailure(otherFamily);
  return { ...finding, message: `${finding.message}; ${sentence}` };
}

/**
 * A server that another call found unreachable a moment ago is not asked again.
 * @throws MounterError with that call's explanation, and when that was; nothing was run.
 */
export async function failAsRemembered(plan: MountPlan, context: MountContext): Promise<void> {
  const probe = await plan.driver.probe();
  const failureCache = failureCacheOf(plan, probe?.(plan)?.about, context);
  const found = failureCache && recall(failureCache, failureCache.nowMs())?.answer;
  if (found === undefined || found.kind === 'otherFamily') return;
  throw errorOf(plan, unreachable(plan, found), await plan.driver.failureTexts(), context);
}

function unreachable({ source }: MountPlan, probeFailure: ProbeFailure): Finding {
  const { errorClass, sentence } = describeProbeFailure(probeFailure);
  const message = `${source} cannot be mounted: ${sentence}`;
  const hint = probeFailure.kind === 'service' ? { hint: probeFailure.hint } : {};
  return { errorClass, message, status: exitCode.mountFailure, probeFailure, ...hint };
}

/** The last is asked first: on the way to the server, TLS comes before tickets. */
async function whatServiceSays(
  { plan, outcome, services = [], startedMs }: Failure,
  texts: FailureTexts,
  context: MountContext,
): Promise<Finding | undefined> {
  const words = ownWords(texts, outcome.output, plan);
  const errorClass = classOfWords(texts, words) ?? 'unknown';
  const failed = { words, errorClass, limitMs: limitFor(startedMs, context) };
  for (const service of services.toReversed()) {
    const found = await service.explain(failed);
    if (found === undefined) continue;
    const message = `${plan.helper} failed to mount ${plan.source}: ${found.why}`;
    return { errorClass: found.errorClass, message, status: outcome.status, hint: found.hint };
  }
  return undefined;
}

/** The error for a helper that reported success, where nothing is mounted. */
export async function explainNothingMounted(failure: Failure, context: MountContext): Promise<MounterError> {
  const { plan } = failure;
  const texts = await plan.driver.failureTexts();
  const helperOutput = wordsOf(failure, texts, context);
  const errorClass = classOfWords(texts, helperOutput, plan) ?? 'unknown';
  const message = `the helper reported success, but ${plan.source} is not mounted`;
  return errorOf(plan, { errorClass, message, status: exitCode.mountFailure }, texts, context, helperOutput);
}

function errorOf(
  plan: MountPlan,
  finding: Finding,
  texts: FailureTexts,
  context: MountContext,
  helperOutput = '',
): MounterError {
  const { errorClass, message, status, probeFailure } = finding;
  return new MounterError(message, {
    subject: plan.target,
    status,
    errorClass,
    hint: finding.hint ?? hintFor(errorClass, texts.hints, factsOf(plan, finding, context)),
    helperOutput,
    isRemembered: probeFailure?.foundMsAgo !== undefined,
  });
}

/** What of a failed mount its hint may name. */
function factsOf(
  { source, target, options, servers, logFile }: MountPlan,
  { probeFailure, server }: Finding,
  { layout, manifest }: MountContext,
): HintFacts {
  return {
    source,
    target,
    options,
    server: probeFailure?.server ?? server ?? servers?.[0],
    rootfs: layout.rootfs,
    mountSeconds: manifest.limits.mountSeconds,
    logFile: logFile?.onHost,
    probeFailure,
  };
}

/** The helper's words, byte for byte, and behind them those of the log file in which its daemon has the reason. */
function wordsOf(
  { plan, outcome, logBefore, services = [] }: Failure,
  texts: FailureTexts,
  { host }: MountContext,
): string {
  const { output } = outcome;
  if (outcome.endedBy === 'interrupt') return output;
  const hasLog = plan.logFile !== undefined && logBefore !== undefined;
  const log = hasLog
    ? texts.saidInLog(plan.logFile.onHost, logBefore, host)
    : services.map((service) => service.said()).join('');
  return `${output}${log !== '' && output !== '' && !output.endsWith('\n') ? '\n' : ''}${log}`;
}

type Given = Partial<Pick<MountPlan, 'source' | 'target' | 'options' | 'servers' | 'driver' | 'fstype'>>;

/** The class that a helper's words stand for, or undefined. @param given what was asked of it. */
export function classOfWords(
  texts: Pick<FailureTexts, 'wordings'>,
  words: string,
  given: Given = {},
): ErrorClass | undefined {
  const own = ownWords(texts, words, given);
  return texts.wordings.find(({ pattern }) => pattern.test(own))?.errorClass;
}

/**
 * A helper's words without those of whoever has called it, which it repeats, and which may be words of a helper's: whoever
 * looks for one looks here. A name such as `server` stays: it can pass for none, and may be a part of what the helper says.
 */
export function ownWords(
  { wordings }: Pick<FailureTexts, 'wordings'>,
  words: string,
  { source = '', target = '', options = '', servers = [], driver, fstype = '' }: Given,
): string {
  const places = driver?.places({ fstype, source, target, options }) ?? [];
  const names = [
    ...servers,
    ...places.flatMap(({ server, path = '', volume = '' }) => [server, path, volume]),
    ...parseOptions(options).flatMap(({ text, value = '' }) => [text, value]),
  ].filter((name) => /\s/.test(name) || wordings.some(({ pattern }) => pattern.test(name)));
  const byLength = names.sort((a, b) => b.length - a.length);
  return [target, source, ...byLength].reduce(
    (text, name) => (name.length < 4 ? text : text.replaceAll(name, '…')),
    words,
  );
}

function whatWasDone(
  { plan, outcome, probeFailure }: Failure,
  { manifest }: MountContext,
): Finding | undefined {
  const status = exitCode.mountFailure;
  switch (outcome.endedBy) {
    case 'interrupt':
      return {
        errorClass: 'interrupted',
        message: `interrupted while mounting ${plan.source}; nothing is mounted`,
        status: exitCode.interrupted,
      };
    case 'watchdog':
      return probeFailure === undefined ? undefined : unreachable(plan, probeFailure);
    case 'deadline':
      return {
        errorClass: 'deadline',
        message: `${plan.helper} did not mount ${plan.source} within ${manifest.limits.mountSeconds} s and was ended`,
        status,
      };
    case 'itself':
      return undefined;
    default:
      return outcome.endedBy satisfies never;
  }
}

function whatWasSeen(
  { plan, outcome }: Failure,
  texts: FailureTexts,
  context: MountContext,
  words: string,
): Finding | undefined {
  const { host } = context;
  const message = `${plan.helper} failed to mount ${plan.source}`;
  const { status } = outcome;
  // What chroot(1) ends with when it fails itself, and so the front where a helper cannot be started: 125 to 127.
  if (status === 125) {
    const hint =
      'the rootfs could not be entered: run mounter mount as root, in a container with all capabilities';
    return { errorClass: 'node', message, status: exitCode.system, hint };
  }
  if (status === exitCode.helperNotExecutable || status === exitCode.helperNotFound)
    return { errorClass: 'helper-missing', message, status };
  if (status > signalBase) return endedBySignal(plan, status - signalBase);
  if (isGone(plan.target, host))
    return { errorClass: 'mount-point', message: `${message}: the target is gone`, status };
  const lack = texts.lackOfNode(words, context);
  if (lack !== undefined) {
    const why = lack.why === undefined ? '' : `: ${lack.why}`;
    return { errorClass: 'node', message: `${message}${why}`, status, hint: lack.hint };
  }
  const mountMax = /No space left on device/.test(words) ? reachedMountMax(host) : undefined;
  // A full disk of the server's says the same.
  if (mountMax === undefined) return undefined;
  return {
    errorClass: 'mount-max',
    message: `${message}: this node has as many mounts as fs.mount-max allows (${mountMax})`,
    status,
  };
}

/** What is mounted there, where it could not be undone, is not asked: its server may never answer. */
function isGone(target: string, host: MountHost): boolean {
  const { steps, file } = walk(parentOf(target), [nameOf(target)], host);
  if (file !== undefined) host.close(file);
  return file === undefined || steps.at(-1)?.kind !== 'directory';
}

/** Of `Outcome.status`, for a helper that a signal ended. */
const signalBase = 128;

/** Not by us: by the kernel, for want of memory, or by a hand. A signal's number is no status of mount(8)'s. */
function endedBySignal({ helper, source }: MountPlan, signal: number): Finding {
  return {
    errorClass: 'unknown',
    message: `${helper} was ended by signal ${signal} while it mounted ${source}`,
    status: exitCode.mountFailure,
    hint: 'see dmesg, whether the node was out of memory; kubelet tries again by itself',
  };
}

/** Where the helper says nothing about its server, or not which address has no way to it, the server itself is asked. */
async function whatWasSaid(
  { plan, outcome, probeFailure: found, startedMs, otherFamily, isAsked }: Failure,
  texts: FailureTexts,
  context: MountContext,
  words: string,
): Promise<Finding> {
  const message = `${plan.helper} failed to mount ${plan.source}`;
  const { status } = outcome;
  const errorClass = classOfWords(texts, words) ?? 'unknown';
  const isKnown = errorClass !== 'unknown' && errorClass !== 'no-route';
  const said = { errorClass, message, status, server: texts.unresolvedServer(words) };
  const isVague = errorClass === 'no-route' || texts.isTaciturn;
  if (isKnown ? !texts.sayNoRouteAsWell?.test(words) : !isVague) return said;
  if (!isKnown && (otherFamily !== undefined || (isAsked && found === undefined))) return said;
  // A question that fails must not hide what it is about.
  const ask = () =>
    isKnown ? askAlone(plan, noRouteMs, context) : singleFlight(plan, limitFor(startedMs, context), context);
  const probeFailure = found ?? (await ask().catch(() => undefined));
  if (probeFailure === undefined || (isKnown && !hasNoRoute(probeFailure))) return said;
  const described = describeProbeFailure(probeFailure);
  return {
    errorClass: described.errorClass,
    message: `${message}: ${described.sentence}`,
    status,
    probeFailure,
  };
}

/** The kernel tells at once. */
const noRouteMs = 500;

function hasNoRoute(probeFailure: ProbeFailure): boolean {
  return (
    probeFailure.kind === 'unreachable' &&
    ['noRoute', 'forbidden', 'noFamily'].includes(probeFailure.connection)
  );
}

/** What the call has left of the time in which a server that cannot be reached is found; a long run is long anyway. */
export function limitFor(startedMs: number, { host, manifest }: MountContext): number {
  const { probeAfterSeconds, connectSeconds } = manifest.limits;
  const left = (probeAfterSeconds + connectSeconds) * 1000 - (host.now() - startedMs);
  return left > 0 ? left : connectSeconds * 1000;
}
