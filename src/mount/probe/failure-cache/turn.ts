import type { Host } from '../../../host/host.ts';
import { type FailureCache, maximumBytes } from './file.ts';

/** One call at a time asks a question: that which has made a file beside the memory's. */

/**
 * - `taken`: another call is asking the same.
 * - `unavailable`: another question has the file, or no file can be made; then everybody asks for itself.
 */
export type Turn = 'ours' | 'taken' | 'unavailable';

/** @param longestMs for an answer: who has the turn for longer is held up (a frozen control group, say). */
export function takeTurn({ host, file, question, nowMs }: FailureCache, longestMs: number): Turn {
  const path = turnFile(file);
  try {
    const text = `${ownProcess(host)}\n${question}\n${nowMs()}\n`;
    if (host.createText(path, text, 0o600)) return 'ours';
    // Between being made and being written it is empty, and two may ask then: that does no harm.
    const [holder = '', held, sinceMs] = holderOf(path, host);
    const isHeldUp = nowMs() - Number(sinceMs) > longestMs;
    if (!isHeldUp && isRunning(holder, host)) return held === question ? 'taken' : 'unavailable';
    host.remove(path);
    return host.createText(path, text, 0o600) ? 'ours' : 'taken';
  } catch {
    return 'unavailable';
  }
}

export function endTurn({ host, file }: FailureCache): void {
  try {
    const path = turnFile(file);
    if (holderOf(path, host)[0] === ownProcess(host)) host.remove(path);
  } catch {
    // Whoever finds it sees that we are gone.
  }
}

/** Removes the file of a call that was killed while it asked. */
export function removeLeftTurn(file: string, host: Host): void {
  const path = turnFile(file);
  if (host.lstat(path) !== undefined && !isRunning(holderOf(path, host)[0] ?? '', host)) host.remove(path);
}

function turnFile(file: string): string {
  return `${file}.turn`;
}

function holderOf(path: string, host: Host): readonly string[] {
  const status = host.lstat(path);
  if (status === undefined || status.kind !== 'file' || status.size > maximumBytes) return [];
  return (host.readText(path) ?? '').split('\n');
}

/** Its pid and the time of its start, which no other process shares, not even in another pid namespace. */
function ownProcess(host: Host): string {
  return processIn(host.readText('/proc/self/stat') ?? '');
}

/** Zombies, whose parent takes its time; and what somebody has stopped, perhaps for ever. */
const ended = ['Z', 'X', 'T'];

function isRunning(holder: string, host: Host): boolean {
  const [pid = ''] = holder.split(' ');
  if (!/^\d+$/.test(pid)) return false;
  try {
    const stat = host.readText(`/proc/${pid}/stat`) ?? '';
    return processIn(stat) === holder && !ended.includes(fieldsOf(stat)[0] ?? '');
  } catch {
    return false; // It ended while we looked.
  }
}

/**
 * ```
 * 321 (mount.nfs) S 1 321 321 0 -1 4194304 … 57812 …
 * (1) (2)        (3)                         (22)
 * ```
 * The name may have blanks and brackets in it. @see proc_pid_stat(5)
 */
function processIn(stat: string): string {
  return `${stat.split(' ', 1)[0]} ${fieldsOf(stat)[19] ?? ''}`;
}

/** The fields of proc_pid_stat(5) from the third on. */
function fieldsOf(stat: string): readonly string[] {
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ');
}
