import { mkdirSync } from 'node:fs';
import { pino } from 'pino';
import type { MounterError } from './errors.ts';

/** Beside what goes to stderr, which kubelet cuts and forgets: one JSON line per failure, for later. */
const logDirectory = '/var/log/containerized-mounter';

/** Appends to the log. Failing to log never fails anything else. */
export function recordFailure(error: MounterError, command: string): void {
  try {
    mkdirSync(logDirectory, { recursive: true, mode: 0o755 });
    const destination = pino.destination({
      dest: `${logDirectory}/mounter.log`,
      sync: true,
      append: true,
      mode: 0o640,
    });
    pino({ base: { pid: process.pid }, timestamp: pino.stdTimeFunctions.isoTime }, destination).error(
      {
        command,
        subject: error.subject,
        status: error.status,
        hint: error.hint,
        helperOutput: error.helperOutput,
      },
      error.message,
    );
    destination.end();
  } catch {
    // A read-only /var, a full disk, no root: the message on stderr is what matters.
  }
}
