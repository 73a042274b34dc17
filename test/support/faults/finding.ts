import { describeInjection, type Injection } from './injection.ts';

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
