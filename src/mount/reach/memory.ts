import type { Host } from '../../host/host.ts';
import type { MountContext } from '../context.ts';
import type { MountPlan } from '../plan.ts';
import { isRemembering, memoryFiles } from './memory-file.ts';
import { type Entry, entriesOf, textOf } from './memory-text.ts';
import { questionOf } from './question.ts';
import type { Answer } from './refusal.ts';
import { removeLeftTurn } from './turn.ts';

/**
 * What was found out about a server, for the calls that follow within `limits.rememberSeconds`. A memory that
 * can't be read or written is none: it fails no mount.
 */
export interface Memory {
  readonly host: Host;
  readonly file: string;
  readonly question: string;
  /** Where it was asked from: another network, resolv.conf or hosts file may lead to another answer. */
  readonly place: string;
  readonly rememberMs: number;
  /** Since the boot, for all processes alike, whatever is done to the clock. */
  nowMs(): number;
}

/** @returns undefined where nothing is remembered. */
export function memoryOf(plan: MountPlan, { host, layout, manifest }: MountContext): Memory | undefined {
  const question = questionOf(plan);
  if (plan.memory === undefined || question === undefined || question.length > maximumQuestion)
    return undefined;
  if (uptimeMs(host) === undefined) return undefined;
  return {
    host,
    file: plan.memory,
    question,
    place: placeOf(host, layout.rootfs),
    rememberMs: manifest.limits.rememberSeconds * 1000,
    nowMs: () => uptimeMs(host) ?? 0,
  };
}

/** In UTF-16 units: hundreds of backup servers. An answer to a longer one would not fit in its file. */
const maximumQuestion = 4096;

/**
 * The answer that was found at most `rememberMs` ago. That a server was reachable is known from `sinceMs` on
 * alone: for it may not be any more.
 */
export function recall(memory: Memory, sinceMs: number): { readonly answer: Answer } | undefined {
  const { host, file, question, place } = memory;
  if (!isRemembering(file, host)) return undefined;
  const nowMs = memory.nowMs();
  const entries = readEntries(memory);
  const found = entries.findLast((entry) => entry.question === question && entry.place === place);
  if (found === undefined || !isFresh(found, nowMs, memory)) return undefined;
  if (found.refusal !== null) return { answer: { ...found.refusal, foundMsAgo: nowMs - found.atMs } };
  return found.atMs >= sinceMs ? { answer: undefined } : undefined;
}

/** Beside what is still of use of the others in this file. Of two writers at once the last one wins. */
export function remember(memory: Memory, answer: Answer): void {
  try {
    writeAnswer(memory, answer);
  } catch {
    // A full /run, no descriptor left, or a node that is not prepared for it.
  }
}

function writeAnswer(memory: Memory, answer: Answer): void {
  const { host, file, question, place } = memory;
  const atMs = memory.nowMs();
  const others = readEntries(memory).filter(
    (entry) => isFresh(entry, atMs, memory) && !(entry.question === question && entry.place === place),
  );
  const refusal = answer === undefined ? null : withoutAge(answer);
  host.replaceText(file, textOf([...others, { question, place, atMs, refusal }]), 0o600);
  for (const each of memoryFiles()) removeExpired({ ...memory, file: each }, atMs);
}

/** What nobody asks for again would stay otherwise. */
function removeExpired(memory: Memory, nowMs: number): void {
  const { host, file } = memory;
  removeLeftTurn(file, host);
  if (!isRemembering(file, host)) return;
  if (!readEntries(memory).some((entry) => isFresh(entry, nowMs, memory))) host.remove(file);
}

function withoutAge({ foundMsAgo: _, ...refusal }: Exclude<Answer, undefined>): Entry['refusal'] {
  return refusal;
}

/** What was written before a reboot, or by another clock, lies in the future perhaps. */
function isFresh({ atMs }: Entry, nowMs: number, { rememberMs }: Memory): boolean {
  return atMs <= nowMs && nowMs - atMs < rememberMs;
}

function readEntries({ host, file }: Memory): readonly Entry[] {
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
  // Of a namespace the number alone: its times are those of the kernel's memory of it, and change.
  const network = host.stat('/proc/self/ns/net')?.inode ?? '-';
  const files = [`${rootfs}/etc/resolv.conf`, `${rootfs}/etc/hosts`].map((file) => {
    const status = host.stat(file);
    return status === undefined
      ? '-'
      : [status.device, status.inode, status.size, status.changedMs].join(' ');
  });
  return [network, ...files].join(', ');
}
