import { readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { MounterError } from '../errors.ts';
import { exitCode } from '../exit-codes.ts';

/** This process's own arguments as the kernel has them: bytes, for not every path is UTF-8. */
export function ownArguments(): readonly Buffer[] {
  const line = readFileSync('/proc/self/cmdline');
  const found: Buffer[] = [];
  for (let at = 0; at < line.length; ) {
    const end = line.indexOf(0, at);
    found.push(line.subarray(at, end));
    at = end + 1;
  }
  return found;
}

/**
 * execv(3): the program takes this process's place, with its pid, environment and open files; in the compiled
 * executable only. What the runtime ignores of signals, the program must not inherit.
 * @param argv argv[0] first.
 * @param variables that its environment has more than ours.
 * @throws MounterError (126) when the kernel does not start it.
 */
export async function replaceProcess(
  path: string,
  argv: readonly Buffer[],
  variables: Readonly<Record<string, string>> = {},
): Promise<never> {
  const { dlopen, ptr, read } = await import('bun:ffi');
  const libc = dlopen('libc.so.6', {
    execv: { args: ['ptr', 'ptr'], returns: 'i32' },
    setenv: { args: ['ptr', 'ptr', 'i32'], returns: 'i32' },
    signal: { args: ['i32', 'u64'], returns: 'i64' },
    __errno_location: { args: [], returns: 'ptr' },
  }).symbols;
  const strings = argv.map((argument) => Buffer.concat([argument, Buffer.alloc(1)]));
  const pointers = new BigUint64Array([...strings.map((bytes) => BigInt(ptr(bytes))), 0n]);
  for (const [name, value] of Object.entries(variables))
    libc.setenv(Buffer.from(`${name}\0`), Buffer.from(`${value}\0`), 1);
  // SIG_DFL
  for (const name of ['SIGPIPE', 'SIGXFSZ'] as const) libc.signal(constants.signals[name], 0);
  libc.execv(Buffer.from(`${path}\0`), pointers);
  const errno = read.i32(libc.__errno_location());
  const code = Object.entries(constants.errno).find(([, value]) => value === errno)?.[0] ?? String(errno);
  throw new MounterError(`could not be started: ${code}`, {
    subject: path,
    status: exitCode.helperNotExecutable,
    hint: `see whether ${path} runs by itself`,
    cause: strings,
  });
}
