import { status } from '@grpc/grpc-js';
import type { ErrorClass } from '../errors.ts';

/** What the front prints of a failure: `failureAsJson`. */
export interface Failure {
  readonly class: ErrorClass;
  readonly subject?: string;
  readonly message: string;
  readonly hint?: string;
  readonly helperOutput?: string;
}

/** What kubelet gets in answer to a call that fails: a gRPC code, and a sentence for the Pod's event. */
export class CsiError extends Error {
  override readonly name = 'CsiError';
  readonly code: number;
  /** What the mounter said, where it is from there. */
  readonly failure: Failure | undefined;

  constructor(code: keyof typeof status, message: string, failure?: Failure) {
    super(message);
    this.code = status[code];
    this.failure = failure;
  }
}

/** @param field of the request, as the specification names it. */
export function invalid(field: string, message: string, action: string): CsiError {
  return new CsiError('INVALID_ARGUMENT', `${field}: ${message}; ${action}`);
}

/** For what the specification has, and no volume here. */
export function unsupported(field: string, message: string, action: string): CsiError {
  return new CsiError('FAILED_PRECONDITION', `${field}: ${message}; ${action}`);
}

/** What the driver has the front do. */
export type Operation = 'mount' | 'publish' | 'directory' | 'unpublish' | 'unstage' | 'stats';

/** The code for a class of failure. UNAVAILABLE, DEADLINE_EXCEEDED and ABORTED say: it may work as it is, later. */
export function codeOf(errorClass: ErrorClass, operation: Operation): keyof typeof status {
  const isTakingAway = operation === 'unpublish' || operation === 'unstage';
  // "Already there, and incompatible" is for what is put somewhere.
  if (isTakingAway && errorClass === 'busy') return 'FAILED_PRECONDITION';
  return codes[errorClass] ?? 'INTERNAL';
}

/** @see the CSI specification, "Error Scheme", and the table of errors of each method */
const codes: Readonly<Record<ErrorClass, keyof typeof status>> = {
  'name-resolution': 'UNAVAILABLE',
  'no-route': 'UNAVAILABLE',
  'connection-refused': 'UNAVAILABLE',
  'server-silent': 'DEADLINE_EXCEEDED',
  'access-denied': 'PERMISSION_DENIED',
  'server-certificate': 'PERMISSION_DENIED',
  'client-certificate': 'PERMISSION_DENIED',
  'tls-not-offered': 'FAILED_PRECONDITION',
  'no-such-export': 'NOT_FOUND',
  'version-not-offered': 'FAILED_PRECONDITION',
  'lock-service': 'UNAVAILABLE',
  kerberos: 'UNAVAILABLE',
  tls: 'UNAVAILABLE',
  'bad-option': 'INVALID_ARGUMENT',
  policy: 'INVALID_ARGUMENT',
  'mount-point': 'INVALID_ARGUMENT',
  stale: 'FAILED_PRECONDITION',
  busy: 'ALREADY_EXISTS',
  'helper-missing': 'FAILED_PRECONDITION',
  propagation: 'INTERNAL',
  deadline: 'DEADLINE_EXCEEDED',
  'mount-max': 'RESOURCE_EXHAUSTED',
  node: 'UNAVAILABLE',
  usage: 'INVALID_ARGUMENT',
  interrupted: 'ABORTED',
  internal: 'INTERNAL',
  unknown: 'INTERNAL',
};
