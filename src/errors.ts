import type { ErrorClass } from './error-class.ts';
import { exitCode } from './exit-codes.ts';

/**
 * What went wrong, in the words an operator needs: which step, about what, why, and what to do next.
 * `main.ts` alone turns it into text on stderr and an exit status.
 */
export class MounterError extends Error {
  override readonly name = 'MounterError';
  /** What it is about: a target, a file, an option. Undefined when it is about the whole call. */
  readonly subject: string | undefined;
  /** The exit status, one of mount(8)'s (see `exit-codes.ts`) or the helper's own. */
  readonly status: number;
  /** What kind of failure it is; follows from the status where nothing better is known. */
  readonly errorClass: ErrorClass;
  /** The next action, one sentence. */
  readonly hint: string | undefined;
  /** The helper's own words, byte for byte; printed whole between the message and the hint. */
  readonly helperOutput: string;

  constructor(
    message: string,
    details: {
      readonly status: number;
      readonly errorClass?: ErrorClass;
      readonly subject?: string | undefined;
      readonly hint?: string | undefined;
      readonly helperOutput?: string;
      readonly cause?: unknown;
    },
  ) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.subject = details.subject;
    this.status = details.status;
    this.errorClass = details.errorClass ?? classOfStatus(details.status);
    this.hint = details.hint;
    this.helperOutput = details.helperOutput ?? '';
  }
}

function classOfStatus(status: number): ErrorClass {
  switch (status) {
    case exitCode.usage:
      return 'usage';
    case exitCode.system:
      return 'node';
    case exitCode.internal:
      return 'internal';
    case exitCode.interrupted:
      return 'interrupted';
    default:
      return 'unknown';
  }
}

/**
 * The text for stderr: `mounter: SUBJECT: MESSAGE`, the helper's own output, `hint: …`; each on lines of
 * its own, newline-terminated. kubelet makes it the Pod's event, hence no colour and no structure.
 */
export function formatError(error: MounterError): string {
  const subject = error.subject === undefined ? '' : `${printable(error.subject)}: `;
  const output = error.helperOutput;
  const hint = error.hint === undefined ? '' : `hint: ${printable(error.hint)}\n`;
  return `mounter: ${subject}${printable(error.message)}\n${output}${output === '' || output.endsWith('\n') ? '' : '\n'}${hint}`;
}

/** `text` on one line and safe to show on a terminal: control characters become `\xNN`. */
export function printable(text: string): string {
  return text.replace(/[\x00-\x1f\x7f-\x9f]/g, (c) => `\\x${c.charCodeAt(0).toString(16).padStart(2, '0')}`);
}
