import { pino } from 'pino';
import { MounterError } from '../errors.ts';
import type { Host } from '../host/host.ts';
import { defaultPlace, type RecordPlace } from '../manifest/record-place.ts';
import type { Layout } from '../node/layout.ts';
import { readSettings } from '../node/settings.ts';
import { maskedWords } from '../secrets.ts';
import type { Call } from './call.ts';
import { boundedRecord, type CallRecord, oneLine } from './line.ts';

/** The record of what is no plain mount: failures, and the other commands. Failing to log fails nothing else. */

export interface RecordContext {
  readonly call: Call;
  /** The command's words, its name left out. */
  readonly argv: readonly string[];
  readonly host: Host;
  /** Undefined when not even that was found. */
  readonly layout: Layout | undefined;
}

/** Writes the line of a call that ended with this status, or failed. */
export async function recordEnd(
  end: number | MounterError,
  { call, argv, host, layout }: RecordContext,
): Promise<void> {
  if (call.command !== 'mount') call.hasArguments(maskedWords(call.command, argv));
  call.place ??= layout === undefined ? defaultPlace : await placeOf(host, layout);
  const record = end instanceof MounterError ? call.failure(end) : call.done(end);
  await call.append(record, pinoLine(record, call.pid));
}

/** Where a call is written down: it has to be, also where the settings are not valid. */
export async function placeOf(host: Host, layout: Layout): Promise<RecordPlace> {
  try {
    return (await readSettings(host, layout)).log;
  } catch {
    // Nothing installed, or settings that are not valid: that is a failure to record, too.
    return defaultPlace;
  }
}

/** One line, as `recordLine` makes it. */
export function pinoLine(record: CallRecord, pid: number): string {
  const written: string[] = [];
  const logger = pino(
    { base: { pid }, timestamp: pino.stdTimeFunctions.isoTime },
    { write: (line: string) => written.push(oneLine(line)) },
  );
  const { msg, ...fields } = boundedRecord(record);
  if (record.errorClass === undefined) logger.info(fields, msg);
  else logger.error(fields, msg);
  return written.join('');
}
