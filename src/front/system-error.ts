import * as system from 'system-calls';

/** An error in the form of node:fs's. */
export function systemError(call: string, path: string | undefined, errno: number): Error {
  const [code, description] = system.errorNames(errno);
  const about = path === undefined ? '' : ` '${path}'`;
  const text = description.slice(0, 1).toLowerCase() + description.slice(1);
  return Object.assign(new Error(`${code}: ${text}, ${call}${about}`), { code, syscall: call, path });
}

/** @throws Error as node:fs does when `result` is a negative errno. */
export function checked<T>(call: string, path: string | undefined, result: T | number): T {
  if (typeof result === 'number' && result < 0) throw systemError(call, path, -result);
  return result as T;
}
