import type { MounterError } from '../errors.ts';
import { exitCode } from '../exit-codes.ts';
import type { RecordPlace } from '../manifest/record-place.ts';
import { maskSecrets } from '../secrets.ts';
import { type CallRecord, levelOf, recordLine } from './line.ts';

/** What a mount is about, as far as its arguments could be read; nothing in it has been checked. */
export interface MountFacts {
  readonly fstype: string | undefined;
  readonly source: string | undefined;
  readonly target: string | undefined;
  readonly options: string;
  readonly fake: boolean;
  readonly dryRun: boolean;
}

/**
 * Adds one line to the record, newline-terminated, whole or not at all.
 * @param level pino's number.
 * @returns when it is written or given up, within a limit; never throws: failing to log fails nothing else.
 */
export type WriteRecord = (place: RecordPlace, line: string, level: number) => Promise<void>;

/** What a call leaves to its own surroundings: clocks, its pid, and the way to the record. */
export interface CallSurroundings {
  /** Monotonic, in ms. */
  readonly now: () => number;
  readonly pid: number;
  readonly write: WriteRecord;
}

/** One call of `mounter` from its begin to its line in the record: facts are told as they become known. */
export class Call {
  readonly command: string;
  readonly pid: number;
  /** Where the manifest wants the record; undefined until it is read. */
  place: RecordPlace | undefined;
  readonly #calledAs: string | undefined;
  readonly #now: () => number;
  readonly #write: WriteRecord;
  readonly #startedAt: number;
  /** Names, and at the same places when each began. */
  readonly #steps: string[] = [];
  readonly #begins: number[] = [];
  #facts: Partial<CallRecord> = {};
  /** False for what does nothing: a dry run. */
  #isForTheRecord = true;

  constructor(command: string, calledAs: string | undefined, { now, pid, write }: CallSurroundings) {
    this.command = command;
    this.pid = pid;
    this.#calledAs = calledAs;
    this.#now = now;
    this.#write = write;
    this.#startedAt = now();
  }

  about({ fstype, source, target, options, fake, dryRun }: MountFacts): void {
    this.#isForTheRecord = !dryRun;
    const masked = options === '' ? undefined : maskSecrets(options);
    // Behind a blank too many an option is an operand: `-o user=x, password=y`.
    const [from, to] = [source, target].map((word) => word && maskSecrets(word));
    this.#facts = { fstype, source: from, target: to, options: masked, isFake: fake || undefined };
  }

  /** Of a command other than mount; no secrets in them. */
  hasArguments(words: readonly string[]): void {
    this.#facts = { arguments: words };
  }

  /** The step before it has ended. */
  begin(step: string): void {
    this.#steps.push(step);
    this.#begins.push(this.#now());
  }

  success({
    wasMounted,
    helperOutput,
  }: {
    readonly wasMounted: boolean;
    readonly helperOutput: string;
  }): CallRecord {
    const msg = wasMounted ? 'mounted already' : 'mounted';
    return this.#record({
      status: exitCode.success,
      wasMounted,
      helperOutput: helperOutput || undefined,
      msg,
    });
  }

  failure(error: MounterError): CallRecord {
    const { status, errorClass, subject, hint, message: msg } = error;
    const isRemembered = error.isRemembered || undefined;
    const helperOutput = error.helperOutput || undefined;
    return this.#record({ status, errorClass, isRemembered, subject, hint, helperOutput, msg });
  }

  /** Of every other command that came to its end. */
  done(status: number): CallRecord {
    return this.#record({ status, msg: 'done' });
  }

  /** Writes a record of this call. Never fails, and takes no longer than the destination's limit. */
  async append(record: CallRecord, line = recordLine(record, new Date(), this.pid)): Promise<void> {
    if (this.#isForTheRecord && this.place !== undefined)
      await this.#write(this.place, line, levelOf(record));
  }

  #record(outcome: Pick<CallRecord, 'status' | 'msg'> & Partial<CallRecord>): CallRecord {
    const now = this.#now();
    return {
      command: this.command,
      calledAs: this.#calledAs,
      ...this.#facts,
      steps: this.#steps.length === 0 ? undefined : this.#durations(now),
      totalMs: rounded(now - this.#startedAt),
      ...outcome,
    };
  }

  /** Of steps of one name, such as a check of each device, together. */
  #durations(now: number): Readonly<Record<string, number>> {
    const durations: Record<string, number> = {};
    for (let index = 0; index < this.#steps.length; index += 1) {
      const step = this.#steps[index] ?? '';
      const took = (this.#begins[index + 1] ?? now) - (this.#begins[index] ?? now);
      durations[step] = rounded((durations[step] ?? 0) + took);
    }
    return durations;
  }
}

function rounded(milliseconds: number): number {
  return Math.round(milliseconds * 100) / 100;
}
