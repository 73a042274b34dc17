import type { ErrorClass } from '../../errors.ts';
import { MounterError } from '../../errors.ts';
import { exitCode } from '../../exit-codes.ts';
import type { Host, Outcome } from '../../host/host.ts';
import type { MountContext } from '../context.ts';
import type { MountPlan } from '../plan.ts';
import type { ProbeFailure } from '../probe/probe-failure.ts';
import { singleFlight } from '../probe/single-flight.ts';
import { describeProbeFailure } from './describe.ts';
import { factsOf } from './facts.ts';
import { glusterfsLogErrors } from './glusterfs-log.ts';
import { hintFor } from './hints.ts';
import { areNamespacesForbidden, reachedMountMax } from './mount-limits.ts';
import { classOfWords, unresolvedServer } from './words.ts';

/** A helper's run that came to nothing. */
export interface Failure {
  readonly plan: MountPlan;
  readonly outcome: Outcome;
  /** Why it can't have come to anything, where that was asked meanwhile. */
  readonly probeFailure: ProbeFailure | undefined;
  /** By the host's clock, in milliseconds. */
  readonly startedMs: number;
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

/**
 * The error for a helper that failed: what was done and seen decides its class, the helper's words come last
 * and are kept whole. To be called when everything is undone.
 */
export async function explainFailure(failure: Failure, context: MountContext): Promise<MounterError> {
  const helperOutput = wordsOf(failure, context);
  const finding =
    whatWasDone(failure, context) ??
    whatWasSeen(failure, context, helperOutput) ??
    (await whatWasSaid(failure, context, helperOutput));
  const { errorClass, message, status } = finding;
  const hint = finding.hint ?? hintFor(errorClass, factsOf(failure.plan, finding, context));
  const isRemembered = finding.probeFailure?.foundMsAgo !== undefined;
  const subject = failure.plan.target;
  return new MounterError(message, { subject, status, errorClass, hint, helperOutput, isRemembered });
}

/** The error for a mount whose server was found unreachable by an earlier call: nothing was run. */
export function explainProbeFailure(
  plan: MountPlan,
  probeFailure: ProbeFailure,
  context: MountContext,
): MounterError {
  const finding = unreachable(plan, probeFailure);
  const { errorClass, message, status } = finding;
  const hint = hintFor(errorClass, factsOf(plan, finding, context));
  return new MounterError(message, { subject: plan.target, status, errorClass, hint, isRemembered: true });
}

function unreachable({ source }: MountPlan, probeFailure: ProbeFailure): Finding {
  const { errorClass, sentence } = describeProbeFailure(probeFailure);
  const message = `${source} cannot be mounted: ${sentence}`;
  return { errorClass, message, status: exitCode.mountFailure, probeFailure };
}

/** The error for a helper that reported success, where nothing is mounted. */
export function explainNothingMounted(failure: Failure, context: MountContext): MounterError {
  const { plan } = failure;
  const helperOutput = wordsOf(failure, context);
  const errorClass = classOfWords(plan.kind, helperOutput, plan) ?? 'unknown';
  return new MounterError(`the helper reported success, but ${plan.source} is not mounted`, {
    subject: plan.target,
    status: exitCode.mountFailure,
    errorClass,
    hint: hintFor(errorClass, factsOf(plan, { probeFailure: undefined }, context)),
    helperOutput,
  });
}

/** The helper's words, byte for byte; glusterfs writes the reason to a log file. */
function wordsOf({ plan, outcome, startedMs }: Failure, context: MountContext): string {
  const { output } = outcome;
  if (plan.kind !== 'glusterfs' || outcome.endedBy === 'interrupt') return output;
  const sinceMs = Date.now() - (context.host.now() - startedMs);
  const log = glusterfsLogErrors(plan, sinceMs, context);
  return `${output}${log !== '' && output !== '' && !output.endsWith('\n') ? '\n' : ''}${log}`;
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
  { host, layout }: MountContext,
  words: string,
): Finding | undefined {
  const message = `${plan.helper} failed to mount ${plan.source}`;
  const { status } = outcome;
  // What chroot(1) ends with when it fails itself, and so the front where a helper can't be started: 125 to 127.
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
  const missing = missingNetworkFile(plan, layout.rootfs, host);
  if (missing !== undefined && /rotocol not supported/.test(words)) {
    const hint = `${missing} is missing in the rootfs: run mounter install again`;
    return { errorClass: 'node', message, status, hint };
  }
  return /No space left on device/.test(words) ? whichLimit(message, status, host) : undefined;
}

/** A full disk of the server's says the same: nothing is found then. */
function whichLimit(message: string, status: number, host: Host): Finding | undefined {
  if (areNamespacesForbidden(host)) {
    const hint = 'raise it: sysctl -w user.max_mnt_namespaces=NUMBER; vers=3 needs none';
    const why = 'NFSv4 needs mount namespaces, and user.max_mnt_namespaces is 0 on this node';
    return { errorClass: 'node', message: `${message}: ${why}`, status, hint };
  }
  const mountMax = reachedMountMax(host);
  if (mountMax === undefined) return undefined;
  return {
    errorClass: 'mount-max',
    message: `${message}: this node has as many mounts as fs.mount-max allows (${mountMax})`,
    status,
  };
}

function isGone(target: string, host: Host): boolean {
  try {
    return host.lstat(target)?.kind !== 'directory';
  } catch {
    return false; // What is mounted there does not answer: ENOTCONN, ESTALE, EIO.
  }
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

/** Without these libtirpc knows no transport, and a v3 mount says "Protocol not supported". */
function missingNetworkFile(
  { kind }: MountPlan,
  rootfs: string,
  host: MountContext['host'],
): string | undefined {
  if (kind !== 'nfs') return undefined;
  return ['/etc/netconfig', '/etc/services', '/etc/protocols'].find(
    (file) => host.stat(`${rootfs}${file}`) === undefined,
  );
}

/** glusterfs often ends without a word about its server: then the server is asked. */
async function whatWasSaid(
  { plan, outcome, probeFailure: found, startedMs }: Failure,
  context: MountContext,
  words: string,
): Promise<Finding> {
  const message = `${plan.helper} failed to mount ${plan.source}`;
  const { status } = outcome;
  const errorClass = classOfWords(plan.kind, words, plan);
  if (errorClass !== undefined) return { errorClass, message, status, server: unresolvedServer(words) };
  if (plan.kind !== 'glusterfs') return { errorClass: 'unknown', message, status };
  // A question that fails must not hide what it is about.
  const limitMs = limitFor(startedMs, context);
  const probeFailure = found ?? (await singleFlight(plan, limitMs, context).catch(() => undefined));
  if (probeFailure === undefined) return { errorClass: 'unknown', message, status };
  const described = describeProbeFailure(probeFailure);
  return {
    errorClass: described.errorClass,
    message: `${message}: ${described.sentence}`,
    status,
    probeFailure,
  };
}

/** What the call has left of the time in which a server that can't be reached is found; a long run is long anyway. */
function limitFor(startedMs: number, { host, manifest }: MountContext): number {
  const { probeAfterSeconds, connectSeconds } = manifest.limits;
  const left = (probeAfterSeconds + connectSeconds) * 1000 - (host.now() - startedMs);
  return left > 0 ? left : connectSeconds * 1000;
}
