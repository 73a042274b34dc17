import type { Ran } from '../node/namespace.ts';
import { describeInjection, type Injection, straceArguments } from './injection.ts';

/** What came of one call in which a system call failed. */
export interface Finding {
  readonly injection: Injection;
  /** Whether the call came as far as that system call. */
  readonly isInjected: boolean;
  /** What must not be; empty when all is well. */
  readonly wrong: readonly string[];
  readonly status: number;
  readonly output: string;
}

/** A command on a node of its own, in which one system call fails, then another. */
export interface Faulty extends AsyncDisposable {
  /** Every way in which one of its calls can fail. */
  injections(): Promise<readonly Injection[]>;
  /** Afterwards the node is again what it was before. @throws when it can't be. */
  inject(injection: Injection): Promise<Finding>;
}

/** Where strace(1) writes; the test sees it in the node's shared directory. */
export const traceFile = '/mnt/shared/trace';

/** mount(8)'s, and those of a program that can't be run; never 4, which would be a bug of ours. */
const allowedStatuses: readonly number[] = [0, 1, 2, 8, 32, 126, 127];
const maximumMs = 8000;
/** So long a call is waited for; then it hangs, and all of it is ended. */
export const patienceSeconds = 20;
/** What was killed may need a moment to be gone. */
export const goneMs = 20_000;

/**
 * What came of a call in which a system call failed.
 * @param run makes it, under strace(1) with these arguments.
 * @param trace what strace has written then.
 * @param wrongState what is wrong with the node, by the call's status.
 */
export async function findingOf(
  injection: Injection,
  run: (prefix: readonly string[]) => Promise<Ran>,
  trace: () => string,
  wrongState: (status: number) => Promise<readonly string[]>,
): Promise<Finding> {
  const started = performance.now();
  const { status, stdout } = await run(['strace', ...straceArguments(injection, traceFile)]);
  const milliseconds = performance.now() - started;
  const isInjected = trace().includes('(INJECTED)');
  const output = stdout.replace(/^strace: .*\n/gm, '');
  const wrong = [
    ...wrongEnd(status, milliseconds),
    ...wrongWords(injection, status, output),
    ...(await wrongState(status)),
  ];
  return { injection, isInjected, wrong, status, output };
}

export function wrongEnd(status: number, milliseconds: number): readonly string[] {
  return [
    ...(allowedStatuses.includes(status) ? [] : [`status ${status}`]),
    ...(milliseconds <= maximumMs ? [] : [`it took ${(milliseconds / 1000).toFixed(1)} s`]),
  ];
}

/** @param injection none for a call without a fault. */
export function wrongWords(
  injection: Injection | undefined,
  status: number,
  output: string,
): readonly string[] {
  if (/internal error|undefined|not iterable|\[object /.test(output)) return ['words of a bug'];
  const canSpeak = injection === undefined || !isTheMessage(injection);
  return status === 0 || output.startsWith('mounter: ') || !canSpeak ? [] : ['no message'];
}

/** Where stderr itself fails nobody can be told; one that was interrupted is written again. */
function isTheMessage({ call, error, text }: Injection): boolean {
  return call === 'write' && text.startsWith('write(2, ') && error !== 'EINTR';
}

export function describeFinding({ injection, wrong, status, output }: Finding): string {
  return [
    describeInjection(injection),
    `    status ${status}: ${wrong.join('; ')}`,
    ...(output === '' ? [] : [`    ${output.trimEnd().replaceAll('\n', ' | ').slice(0, 240)}`]),
  ].join('\n');
}
