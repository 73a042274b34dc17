import { exitCode } from './exit-codes.ts';
import { formatVersion } from './json.ts';

/** The kinds of failure that programs tell apart: in `--json`, in the record, as a label of the metrics. */
export const errorClasses = [
  /** The server's name does not resolve, or no name server answers. */
  'name-resolution',
  'no-route',
  'connection-refused',
  /** Packets to the server go unanswered. */
  'server-silent',
  'access-denied',
  /** TLS: that of the server has expired, is of another name, or of no CA that is trusted. */
  'server-certificate',
  /** TLS: this node has none, or the server does not take it. */
  'client-certificate',
  /** TLS: the server has none, or does not come to the end of a handshake. */
  'tls-not-offered',
  'no-such-export',
  'version-not-offered',
  /** rpcbind or rpc.statd, on this node. */
  'lock-service',
  /** rpc.gssd of this node, its keytab and tickets, the KDC, or the server's part in it. */
  'kerberos',
  /** tlshd of this node, or the kernel's part in it. */
  'tls',
  'bad-option',
  /** The options, the source or the target are forbidden by the manifest's policy. */
  'policy',
  /** The target: missing, no directory, a symlink, outside what is shared. */
  'mount-point',
  'stale',
  /** The target is taken. */
  'busy',
  'helper-missing',
  /** Mounted in the rootfs, and not seen on the host. */
  'propagation',
  /** The time of the whole mount was over, and nothing said why. */
  'deadline',
  /** fs.mount-max is reached. */
  'mount-max',
  /** The node is not in order: not installed, not prepared, a device missing. */
  'node',
  'usage',
  'interrupted',
  'internal',
  'unknown',
] as const;

export type ErrorClass = (typeof errorClasses)[number];

/** What went wrong, in the words an operator needs: which step, about what, why, and what to do next. */
export class MounterError extends Error {
  override readonly name = 'MounterError';
  /** What it is about: a target, a file, an option. Undefined when it is about the whole call. */
  readonly subject: string | undefined;
  /** The exit status, one of mount(8)'s (see `exit-codes.ts`) or the helper's own. */
  readonly status: number;
  /** What kind of failure it is; follows from the status where nothing better is known. */
  readonly errorClass: ErrorClass;
  /** It was found out by an earlier call, and this one has asked nobody. */
  readonly isRemembered: boolean;
  /** The next action, one sentence. */
  readonly hint: string | undefined;
  /** The helper's own words, all of them; printed between the message and the hint. */
  readonly helperOutput: string;

  constructor(
    message: string,
    details: {
      readonly status: number;
      readonly errorClass?: ErrorClass;
      readonly isRemembered?: boolean;
      readonly subject?: string | undefined;
      readonly hint?: string | undefined;
      readonly helperOutput?: string;
      readonly cause?: unknown;
    },
  ) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.subject = details.subject;
    this.status = details.status;
    this.errorClass = details.errorClass ?? classOfStatus[details.status] ?? 'unknown';
    this.isRemembered = details.isRemembered ?? false;
    this.hint = details.hint;
    this.helperOutput = details.helperOutput ?? '';
  }
}

const classOfStatus: Readonly<Record<number, ErrorClass>> = {
  [exitCode.usage]: 'usage',
  [exitCode.system]: 'node',
  [exitCode.internal]: 'internal',
  [exitCode.interrupted]: 'interrupted',
};

/** For what the manifest's policy does not allow. */
export function policyError(subject: string, message: string, hint: string): MounterError {
  return new MounterError(message, { subject, status: exitCode.usage, errorClass: 'policy', hint });
}

/**
 * The text for stderr: `mounter: SUBJECT: MESSAGE`, the helper's own output, `hint: …`. kubelet makes it the Pod's
 * event, hence no colour. Who wrote the Pod, or runs the server, chose some of it: nothing that a terminal would obey.
 */
export function formatError(error: MounterError): string {
  return `mounter: ${describeError(error)}`;
}

/** The same without who says it. */
export function describeError(error: MounterError): string {
  const subject = error.subject === undefined ? '' : `${shortened(printable(error.subject))}: `;
  const output = printableLines(error.helperOutput);
  const hint = error.hint === undefined ? '' : `hint: ${shortened(printable(error.hint))}\n`;
  return `${subject}${shortened(printable(error.message))}\n${output}${output === '' || output.endsWith('\n') ? '' : '\n'}${hint}`;
}

/** What `mounter mount --json` prints of a failure: what stderr says, in fields. */
export interface FailureJson
  extends Pick<MounterError, 'status' | 'isRemembered' | 'subject' | 'message' | 'hint' | 'helperOutput'> {
  readonly class: ErrorClass;
}

/** One line of JSON for programs. */
export function failureAsJson(error: MounterError): string {
  const { errorClass, status, isRemembered, subject, message, hint, helperOutput } = error;
  const fields = { class: errorClass, status, isRemembered, subject, message, hint, helperOutput };
  return `${JSON.stringify({ formatVersion, ...(fields satisfies FailureJson) })}\n`;
}

/** A name of 100 kB says no more than its ends; kubelet's event has the whole command anyway. */
function shortened(text: string): string {
  if (text.length <= maximumLength) return text;
  const omitted = `…(${text.length - 2 * keptLength} characters)…`;
  return `${text.slice(0, keptLength)}${omitted}${text.slice(-keptLength)}`.toWellFormed();
}

/** More than a path may have: see PATH_MAX in limits.h. */
const maximumLength = 5000;
const keptLength = 1000;

/** `text` on one line, safe for a terminal: control characters as `\xNN`, Unicode's that turn or break a line as `\uNNNN`. */
export function printable(text: string): string {
  return text.replace(/[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g, escaped);
}

/** The same of a text of many lines. */
export function printableLines(text: string): string {
  return text.replace(/[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g, escaped);
}

function escaped(character: string): string {
  const code = character.charCodeAt(0);
  const digits = code.toString(16);
  return code < 0x100 ? `\\x${digits.padStart(2, '0')}` : `\\u${digits.padStart(4, '0')}`;
}
