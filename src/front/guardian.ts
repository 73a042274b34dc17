import * as system from 'system-calls';
import type { ApartSite, ChrootSite, Guardian, Left } from '../host/mount-host.ts';
import type { StartedChild } from '../host/run-command.ts';
import { soon } from '../host/soon.ts';
import { neverRan, notStarted, type Spawn } from './child.ts';
import { loop } from './globals.ts';
import { pollEvents } from './loop.ts';
import { endOf } from './signals.ts';

/** `struct guard_report` of guardian.h */
const reports = { started: 1, ended: 2, left: 3 } as const;

/** Of a helper whose end nobody can tell any more: as if SIGKILL had ended it. */
const unknownEnd = 128 + 9;

/**
 * Starts a helper under a guardian.
 * @throws MounterError (system) when either can't be started.
 */
export async function startGuarded(
  spawn: Spawn,
  site: ApartSite | ChrootSite,
): Promise<Guardian & StartedChild> {
  const namespace = site.kind === 'apart' ? site.namespace : -1;
  const [pid = -1, connection = -1] = system.spawnGuarded(
    spawn.argv,
    spawn.environment,
    spawn.root,
    spawn.descriptors,
    spawn.privileges,
    site.place,
    [namespace, site.targetFile],
  );
  if (pid < 0) throw notStarted(spawn.argv[0] ?? '', connection);
  return new GuardianProcess(pid, connection).start(spawn, site);
}

/** It waits for 5 s for what SIGKILL does not end at once. */
const endMs = 7000;

/** Of recv(2), one after the other. */
const maximumFailures = 100;

type Report = readonly number[];

class GuardianProcess implements Guardian, StartedChild {
  readonly ended: Promise<number>;
  readonly #connection: number;
  readonly #gone: Promise<number>;
  readonly #reported = new Map<number, (report: Report) => void>();
  readonly #started: Promise<Report>;
  readonly #unwatch: () => void;
  #hasEnded = false;
  #failures = 0;

  constructor(pid: number, connection: number) {
    this.#connection = connection;
    this.#gone = endOf(pid);
    this.#started = this.#report(reports.started);
    this.ended = this.#report(reports.ended).then(([, waited]) =>
      waited === undefined ? unknownEnd : system.statusOf(waited),
    );
    this.#unwatch = loop.watch(connection, pollEvents.readable, () => this.#receive());
  }

  async start(spawn: Spawn, site: ApartSite | ChrootSite): Promise<Guardian & StartedChild> {
    const [told, pid = -1, step = 0, errno = 0] = await this.#started;
    // One that has been ended before it could tell is as one that is ended later on.
    if (pid > 0 || told === undefined) return this;
    await this.end();
    const never = neverRan(spawn, site, step, errno);
    return Object.assign(this, { ended: never.ended });
  }

  /** SIGKILL ends the daemons, too, and the guardian. */
  kill(signal: 'SIGTERM' | 'SIGKILL'): void {
    system.order(this.#connection, signal === 'SIGTERM' ? 'T' : 'E');
  }

  attach(): Promise<Left> {
    return this.#leave('A');
  }

  release(): Promise<Left> {
    return this.#leave('R');
  }

  async end(): Promise<void> {
    if (!this.#hasEnded) system.order(this.#connection, 'E');
    const status = await soon(this.#gone, endMs);
    // Somebody has ended it before it could do its work.
    if (status !== undefined && status !== 0) system.endDescendants();
  }

  async #leave(order: 'A' | 'R'): Promise<Left> {
    const answer = this.#report(reports.left);
    const sent = system.order(this.#connection, order);
    if (sent < 0) return { failure: system.errorNames(-sent)[0], daemons: [] };
    const [, result, ...daemons] = await answer;
    // Somebody has ended the guardian, and nobody knows whether before or after.
    if (result === undefined) return { failure: 'ECONNRESET', daemons: [] };
    const failure = result < 0 ? system.errorNames(-result)[0] : undefined;
    return { failure, daemons: daemons.filter((pid) => pid > 0) };
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
    for (const resolve of this.#reported.values()) resolve([]);
  }
}
