import { readFileSync } from 'node:fs';
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
  const calls = await import('./process-calls.ts');
  for (const [name, value] of Object.entries(variables)) calls.setEnvironment(name, value, true);
  for (const name of ['SIGPIPE', 'SIGXFSZ'] as const) calls.restoreSignal(name);
  try {
    return calls.execute(path, argv);
  } catch (error) {
    throw new MounterError(`could not be started: ${(error as NodeJS.ErrnoException).code}`, {
      subject: path,
      status: exitCode.helperNotExecutable,
      hint: `see whether ${path} runs by itself`,
      cause: error,
    });
  }
}
