import * as system from 'system-calls';
import type { ApartSite, ChrootSite, Guardian, Left } from '../host/mount-host.ts';
import { withTimeout } from '../host/with-timeout.ts';
import { neverRan, notStarted } from './child.ts';
import { loop } from './globals.ts';
import { readText } from './known.ts';
import { pollEvents } from './loop.ts';
import type { StartedChild } from './run-command.ts';
import { endOf, kill } from './signals.ts';

/** `struct guard_report` of guardian.h */
const reports = { started: 1, ended: 2, left: 3 } as const;

/** The status of a helper whose end nobody can tell any more: as if SIGKILL had ended it. */
const unknownEnd = 128 + 9;

/**
 * Starts a helper under a guardian.
 * @throws MounterError (system) when either cannot be started.
 */
export async function startGuarded(
  spawn: system.SpawnArguments,
  site: ApartSite | ChrootSite,
): Promise<Guardian & StartedChild> {
  const namespace = site.kind === 'apart' ? site.namespace : -1;
  const mount = [namespace, site.targetFile] as const;
  const [pid = -1, connection = -1] = system.spawnGuarded(...spawn, site.place, mount);
  if (pid < 0) throw notStarted(spawn[0][0] ?? '', connection);
  return new GuardianProcess(pid, connection).start(spawn, site);
}

/** It waits for 5 s for what SIGKILL does not end at once. */
const endMs = 7000;

/** To start a program takes it milliseconds; it may be without a processor for a while. */
const startMs = 10_000;

/** After SIGKILL: who has not ended then waits in the kernel. */
const killedMs = 1000;

/** So many failures of recv(2), one after the other, are the end of the connection. */
const maximumFailures = 100;

type Report = readonly number[];

class GuardianProcess implements Guardian, StartedChild {
  readonly ended: Promise<number>;
  readonly #pid: number;
  readonly #connection: number;
  readonly #gone: Promise<number>;
  readonly #reported = new Map<number, (report: Report) => void>();
  readonly #started: Promise<Report>;
  readonly #unwatch: () => void;
  #hasEnded = false;
  /** It has been told to end, or to leave the daemons to themselves. */
  #isTold = false;
  #failures = 0;

  constructor(pid: number, connection: number) {
    this.#pid = pid;
    this.#connection = connection;
    this.#gone = endOf(pid);
    this.#started = this.#report(reports.started);
    this.ended = this.#report(reports.ended).then(([, waited]) =>
      waited === undefined ? unknownEnd : system.statusOf(waited),
    );
    this.#unwatch = loop.watch(connection, pollEvents.readable, () => this.#receive());
  }

  async start(spawn: system.SpawnArguments, site: ApartSite | ChrootSite): Promise<Guardian & StartedChild> {
    const [told, pid = -1, step = 0, errno = 0] = (await withTimeout(this.#started, startMs)) ?? [];
    // One that is stopped, or was ended, before it could tell is as one that is later on.
    if (pid > 0 || told === undefined) return this;
    await this.end();
    const never = neverRan(spawn, site, step, errno);
    return Object.assign(this, { ended: never.ended });
  }

  /** SIGKILL ends the daemons, too, and the guardian. */
  kill(signal: 'SIGTERM' | 'SIGKILL'): void {
    if (signal === 'SIGTERM') system.order(this.#connection, 'T');
    else this.#tell('E');
  }

  attach(limitMs: number): Promise<Left> {
    return this.#leave('A', limitMs);
  }

  release(limitMs: number): Promise<Left> {
    return this.#leave('R', limitMs);
  }

  async end(): Promise<void> {
    if (!this.#hasEnded) this.#tell('E');
    const status = (await withTimeout(this.#gone, endMs)) ?? (await this.#endByForce());
    // Somebody has ended it before it could do its work.
    if (status !== 0) system.endDescendants();
  }

  async #leave(order: 'A' | 'R', limitMs: number): Promise<Left> {
    const answer = this.#report(reports.left);
    const sent = this.#tell(order);
    if (sent < 0) return { failure: system.errorNames(-sent)[0], daemons: [] };
    const report = await withTimeout(answer, limitMs);
    const silence = report === undefined ? this.#silence() : 'ECONNRESET';
    if (report === undefined) await this.#endByForce();
    const [, result, ...daemons] = report ?? [];
    if (result === undefined) return { failure: silence, daemons: [] };
    const failure = result < 0 ? system.errorNames(-result)[0] : undefined;
    return { failure, daemons: daemons.filter((pid) => pid > 0) };
  }

  /** Why it does not answer. */
  #silence(): 'stopped' | 'ETIMEDOUT' {
    const stat = readText(`/proc/${this.#pid}/stat`) ?? '';
    return /\) [Tt] [^)]*$/.test(stat) ? 'stopped' : 'ETIMEDOUT';
  }

  #tell(order: 'E' | 'A' | 'R'): number {
    this.#isTold = true;
    return system.order(this.#connection, order);
  }

  /** One that is stopped, or waits for somebody: what it has held is ours then. @returns its status as `endOf` does. */
  #endByForce(): Promise<number | undefined> {
    kill(this.#pid, 'SIGKILL');
    return withTimeout(this.#gone, killedMs);
  }

  #report(kind: number): Promise<Report> {
    return new Promise((resolve) => {
      this.#reported.set(kind, resolve);
    });
  }

  #receive(): void {
    const report = system.report(this.#connection);
    if (typeof report !== 'number' && report.length > 0) {
      this.#failures = 0;
      this.#reported.get(report[0] ?? 0)?.(report);
      return;
    }
    // What could not be read is there to be read again.
    this.#failures += 1;
    if (typeof report === 'number' && this.#failures < maximumFailures) return;
    this.#hasEnded = true;
    this.#unwatch();
    // Ended by somebody. At once: nobody would end its daemons if we were ended as well.
    if (!this.#isTold) system.endDescendants();
    for (const resolve of this.#reported.values()) resolve([]);
  }
}
