import * as system from 'system-calls';

/** This program's own file, without symlinks; without /proc, as it was called. Of the root that it was started in. */
export function ownExecutable(): string {
  own ??= find();
  return own;
}

let own: string | undefined;

function find(): string {
  const path = system.readlink('/proc/self/exe');
  return typeof path === 'string' ? path : (system.argument(0) ?? '');
}

/** The full executable lies beside the front. */
export function fullExecutable(): string {
  return full ?? `${ownExecutable().slice(0, ownExecutable().lastIndexOf('/') + 1)}mounter-full`;
}

let full: string | undefined;

/** For a process that has left the root it was started in. */
export function findFullAt(path: string): void {
  full = path;
}
