import * as system from 'system-calls';

/** This program's own file, without symlinks; without /proc, as it was called. */
export function ownExecutable(): string {
  const path = system.readlink('/proc/self/exe');
  return typeof path === 'string' ? path : (system.argument(0) ?? '');
}

/** The full executable lies beside the front. */
export function fullExecutable(): string {
  const own = ownExecutable();
  return `${own.slice(0, own.lastIndexOf('/') + 1)}mounter-full`;
}
