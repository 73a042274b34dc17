import { MounterError } from '../errors.ts';
import { exitCode } from '../exit-codes.ts';
import { limitChild } from './child-limits.ts';

/** A process that leads a session and a process group of its own. */
export interface StartedChild {
  readonly pid: number;
  /** Its exit status; 128 + N when signal N ended it. */
  readonly ended: Promise<number>;
}

type Environment = Readonly<Record<string, string>>;

/**
 * Starts a program, its stdin empty, its stdout and stderr written to `output` (ours when undefined).
 *
 * Compiled, the runtime's own spawn does it: node:child_process, which then is not even loaded, would cost a
 * mount a tenth of all its time. The unit tests run on Node.
 * @throws MounterError (system) when it can't be started.
 */
export async function startChild(
  argv: readonly string[],
  environment: Environment,
  output: number | undefined,
): Promise<StartedChild> {
  const [program = ''] = argv;
  try {
    limitChild();
    const bun = (globalThis as { readonly Bun?: BunRuntime }).Bun;
    return bun === undefined
      ? await startOnNode(argv, environment, output)
      : startOnBun(bun, argv, environment, output);
  } catch (error) {
    throw new MounterError(`could not be started: ${(error as Error).message}`, {
      subject: program,
      status: exitCode.system,
      hint: 'see whether the node is out of memory or processes',
      cause: error,
    });
  }
}

/** What we use of the Bun global. */
interface BunRuntime {
  spawn(
    argv: readonly string[],
    options: {
      readonly cwd: string;
      readonly env: Environment;
      readonly detached: boolean;
      readonly stdin: 'ignore';
      readonly stdout: number | 'inherit';
      readonly stderr: number | 'inherit';
    },
  ): { readonly pid: number; readonly exited: Promise<number> };
}

function startOnBun(
  bun: BunRuntime,
  argv: readonly string[],
  env: Environment,
  output: number | undefined,
): StartedChild {
  const stdout = output ?? 'inherit';
  const child = bun.spawn(argv, { cwd: '/', env, detached: true, stdin: 'ignore', stdout, stderr: stdout });
  return { pid: child.pid, ended: child.exited };
}

async function startOnNode(
  argv: readonly string[],
  env: Environment,
  output: number | undefined,
): Promise<StartedChild> {
  const [{ spawn }, { constants }] = await Promise.all([import('node:child_process'), import('node:os')]);
  const [program = '', ...args] = argv;
  const stdout = output ?? 'inherit';
  const child = spawn(program, args, { cwd: '/', env, detached: true, stdio: ['ignore', stdout, stdout] });
  const ended = new Promise<number>((resolve) => {
    child.once('exit', (code, signal) =>
      resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal])),
    );
  });
  const { pid } = child;
  if (pid !== undefined) return { pid, ended };
  return new Promise((_, reject) => {
    child.once('error', reject);
  });
}
