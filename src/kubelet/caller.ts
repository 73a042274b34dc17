import { constants } from 'node:os';
import type { Host } from '../host/host.ts';
import { runProgram } from '../host/run-program.ts';

/**
 * What the caller has set for this process and the JavaScript runtime has changed at its start: it ignores SIGPIPE and
 * SIGXFSZ, and raises the limit of open files (RLIMIT_NOFILE) as far as it may. The program that takes our place has
 * to find it as it was.
 */
export interface CallerSettings {
  /** The soft limit; undefined when it is as it was. */
  readonly openFiles: number | undefined;
  /** The hard one; undefined for no limit. */
  readonly maximumOpenFiles: number | undefined;
  readonly isSigpipeIgnored: boolean;
  /** Numbers of the other signals that are ignored, as nohup(1) ignores SIGHUP: what runs children forgets it. */
  readonly ignoredSignals: readonly number[];
  readonly umask: number;
}

/**
 * Nobody remembers what was before: systemd is asked for what it gives our unit, and elsewhere our parent's
 * own limit is taken, which we have inherited.
 */
export async function callerSettings(host: Host, parent: number): Promise<CallerSettings> {
  const [, maximum] = openFiles(host.readText('/proc/self/limits'));
  const unit = parent === 1 ? serviceOf(host.readText('/proc/self/cgroup')) : undefined;
  const service = unit === undefined ? undefined : await askSystemd(host, unit);
  const soft = service?.openFiles ?? openFiles(host.readText(`/proc/${parent}/limits`))[0];
  return {
    openFiles: soft === undefined || (maximum !== undefined && soft > maximum) ? maximum : soft,
    maximumOpenFiles: maximum,
    isSigpipeIgnored: service?.isSigpipeIgnored ?? false,
    ignoredSignals: ignoredSignals(host.readText('/proc/self/status')),
    // What is made for the kubelet is for everybody to read; the kubelet gets the caller's umask back.
    umask: process.umask(0o022),
  };
}

/**
 * ```
 * SigIgn:	0000000001001000
 * ```
 * @returns without SIGPIPE and SIGXFSZ, which the runtime ignores by itself.
 * @see proc_pid_status(5)
 */
export function ignoredSignals(status: string | undefined): readonly number[] {
  const [, mask = '0'] = /^SigIgn:\s+([0-9a-f]+)$/m.exec(status ?? '') ?? [];
  const { SIGPIPE, SIGXFSZ } = constants.signals;
  return Array.from({ length: 64 }, (_, index) => index + 1)
    .filter((signal) => (BigInt(`0x${mask}`) >> BigInt(signal - 1)) & 1n)
    .filter((signal) => signal !== SIGPIPE && signal !== SIGXFSZ);
}

/**
 * ```
 * Max open files            1024                 524288               files
 * ```
 * @returns undefined for `unlimited`.
 * @see proc_pid_limits(5)
 */
export function openFiles(
  limits: string | undefined,
): readonly [soft: number | undefined, hard: number | undefined] {
  const [, soft, hard] = /^Max open files +(\S+) +(\S+)/m.exec(limits ?? '') ?? [];
  const numberOf = (word: string | undefined) => (/^\d+$/.test(word ?? '') ? Number(word) : undefined);
  return [numberOf(soft), numberOf(hard)];
}

/** `0::/system.slice/kubelet.service` → `kubelet.service`; with cgroup v1 it is the line of systemd's own. */
export function serviceOf(cgroups: string | undefined): string | undefined {
  return /^(?:0:|\d+:name=systemd):.*\/([^/\n]+\.service)$/m.exec(cgroups ?? '')?.[1];
}

async function askSystemd(
  host: Host,
  unit: string,
): Promise<Pick<CallerSettings, 'openFiles' | 'isSigpipeIgnored'> | undefined> {
  if (host.stat('/run/systemd/system')?.kind !== 'directory') return undefined;
  try {
    const text = await runProgram(
      'systemctl',
      ['show', '--property=LimitNOFILESoft,IgnoreSIGPIPE', '--', unit],
      5000,
    );
    const soft = /^LimitNOFILESoft=(\d+)$/m.exec(text)?.[1];
    return {
      openFiles: soft === undefined ? undefined : Number(soft),
      isSigpipeIgnored: /^IgnoreSIGPIPE=yes$/m.test(text),
    };
  } catch {
    return undefined; // No systemctl(1), or systemd is busy: what is known without it has to do.
  }
}
