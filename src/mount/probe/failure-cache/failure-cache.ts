import type { Host } from '../../../host/host.ts';
import type { MountContext } from '../../context.ts';
import type { MountPlan } from '../../plan-data.ts';
import type { ProbeAnswer } from '../probe-failure.ts';
import { type FailureCache, isRemembering, memoryFiles } from './file.ts';
import { type Entry, entriesOf, textOf } from './text.ts';
import { removeLeftTurn } from './turn.ts';

/**
 * @param asked all that the answer about the servers depends on.
 * @returns undefined where nothing is remembered.
 */
export function failureCacheOf(
  plan: MountPlan,
  asked: object | undefined,
  { host, layout, manifest }: MountContext,
): FailureCache | undefined {
  if (plan.failureCache === undefined || asked === undefined) return undefined;
  const question = JSON.stringify([plan.kind, asked]);
  if (question.length > maximumQuestion) return undefined;
  if (uptimeMs(host) === undefined) return undefined;
  return {
    host,
    file: plan.failureCache,
    question,
    place: placeOf(host, layout.rootfs),
    keptMs: manifest.limits.failureCacheSeconds * 1000,
    nowMs: () => uptimeMs(host) ?? 0,
  };
}

/** In UTF-16 units: hundreds of backup servers. An answer to a longer one would not fit in its file. */
const maximumQuestion = 4096;

/** What was found at most `keptMs` ago; that a server was reachable, since `sinceMs`: it may not be any more. */
export function recall(
  failureCache: FailureCache,
  sinceMs: number,
): { readonly answer: ProbeAnswer } | undefined {
  const { host, file, question, place } = failureCache;
  if (!isRemembering(file, host)) return undefined;
  const nowMs = failureCache.nowMs();
  const entries = readEntries(failureCache);
  const found = entries.findLast((entry) => entry.question === question && entry.place === place);
  if (found === undefined || !isFresh(found, nowMs, failureCache)) return undefined;
  if (found.probeFailure !== null)
    return { answer: { ...found.probeFailure, foundMsAgo: nowMs - found.atMs } };
  return found.atMs >= sinceMs ? { answer: undefined } : undefined;
}

/** Keeps the other entries of the file that are still fresh. When two calls write at once, the last one wins. */
export function remember(failureCache: FailureCache, answer: ProbeAnswer): void {
  try {
    writeAnswer(failureCache, answer);
  } catch {
    // A full /run, no descriptor left, or a node that is not prepared for it.
  }
}

function writeAnswer(failureCache: FailureCache, answer: ProbeAnswer): void {
  const { host, file, question, place } = failureCache;
  const atMs = failureCache.nowMs();
  const others = readEntries(failureCache).filter(
    (entry) => isFresh(entry, atMs, failureCache) && !(entry.question === question && entry.place === place),
  );
  const probeFailure = answer === undefined ? null : withoutAge(answer);
  host.replaceText(file, textOf([...others, { question, place, atMs, probeFailure }]), 0o600);
  for (const each of memoryFiles()) removeExpired({ ...failureCache, file: each }, atMs);
}

/** What nobody asks for again would stay otherwise. */
function removeExpired(failureCache: FailureCache, nowMs: number): void {
  const { host, file } = failureCache;
  removeLeftTurn(file, host);
  if (!isRemembering(file, host)) return;
  if (!readEntries(failureCache).some((entry) => isFresh(entry, nowMs, failureCache))) host.remove(file);
}

function withoutAge({
  foundMsAgo: _,
  ...probeFailure
}: Exclude<ProbeAnswer, undefined>): Entry['probeFailure'] {
  return probeFailure;
}

/** What was written before a reboot, or by another clock, lies in the future perhaps. */
function isFresh({ atMs }: Entry, nowMs: number, { keptMs }: FailureCache): boolean {
  return atMs <= nowMs && nowMs - atMs < keptMs;
}

function readEntries({ host, file }: FailureCache): readonly Entry[] {
  if (!isRemembering(file, host)) return [];
  try {
    return entriesOf(host.readText(file) ?? '');
  } catch {
    return [];
  }
}

/** CLOCK_BOOTTIME to a hundredth of a second. @see proc_uptime(5) */
function uptimeMs(host: Host): number | undefined {
  const seconds = Number(host.readText('/proc/uptime')?.split(' ')[0]);
  return seconds >= 0 ? Math.round(seconds * 1000) : undefined;
}

function placeOf(host: Host, rootfs: string): string {
  // A namespace is told by its inode alone: its times change while it is in use.
  const network = host.stat('/proc/self/ns/net')?.inode ?? '-';
  const files = [`${rootfs}/etc/resolv.conf`, `${rootfs}/etc/hosts`].map((file) => {
    const status = host.stat(file);
    return status === undefined
      ? '-'
      : [status.device, status.inode, status.size, status.changedMs].join(' ');
  });
  return [network, ...files].join(', ');
}
