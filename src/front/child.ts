import * as system from 'system-calls';
import { MounterError } from '../errors.ts';
import { exitCode } from '../exit-codes.ts';
import type { Command, Outcome, RootfsEntry } from '../host/host.ts';
import {
  type ChildEngine,
  runCommand,
  type StartedChild,
  environment as usual,
} from '../host/run-command.ts';
import { kill } from './kill.ts';
import { endOf, listenForInterruption } from './signals.ts';

/** Runs a command to its end, within its limit. No chroot(1), nsenter(1) or flock(1): the child does that itself. */
export function run(command: Command): Promise<Outcome> {
  return runCommand(command, engine);
}

export const engine: ChildEngine = {
  start: async (command, output) => {
    if (command.lock === undefined) return startChild(command, output);
    return (await import('./locked-child.ts')).startLocked(command, output);
  },
  listenForInterruption,
  readEnd: (fd, maximumBytes) => {
    const [, , , , , size = 0] = system.fstat(fd) as readonly number[];
    return size === 0 ? '' : String(system.read(fd, Math.max(0, size - maximumBytes), maximumBytes));
  },
};

export const variables: readonly string[] = Object.entries(usual).map(([name, value]) => `${name}=${value}`);

/** @throws MounterError (system) when it can't be started. */
export function startChild(
  { argv, inside }: Pick<Command, 'argv' | 'inside'>,
  output = -1,
  environment = variables,
): StartedChild {
  const namespace = inside?.kind === 'namespace' ? system.open(inside.file, system.O_RDONLY, 0) : -1;
  if (inside?.kind === 'namespace' && namespace < 0)
    return neverRan(inside, argv, step.enter, -namespace, output);
  const root = inside?.kind === 'chroot' ? inside.directory : '';
  const [pid = -1, failed = 0, errno = 0] = system.spawn(argv, environment, root, namespace, output);
  if (namespace >= 0) system.close(namespace);
  if (pid < 0) return neverRan(inside, argv, failed, errno, output);
  return { ended: endOf(pid), kill: (signal) => kill(-pid, signal) };
}

/** `enum step` of spawn.h */
const step = { fork: 1, surroundings: 2, enter: 3, execute: 4 } as const;

/** The status of chroot(1) and nsenter(1) for what they can't do themselves. */
const cannotEnter = { chroot: 125, namespace: 1 } as const;

/**
 * Inside a rootfs as chroot(1) and nsenter(1) say it, whose words and statuses are known; on the host an error.
 * @throws MounterError (system)
 */
function neverRan(
  inside: RootfsEntry | undefined,
  [program = '']: readonly string[],
  failed: number,
  errno: number,
  output: number,
): StartedChild {
  const [code, description] = system.errorNames(errno);
  if (inside === undefined || failed < step.enter)
    throw new MounterError(`could not be started: ${code}: ${description}`, {
      subject: program,
      status: exitCode.system,
      hint: 'see whether the node is out of memory or processes',
    });
  const isEntered = failed === step.execute;
  system.write(
    output < 0 ? 2 : output,
    `${isEntered ? cannotRun(inside, program) : cannotReach(inside)}: ${description}\n`,
  );
  const status = isEntered
    ? code === 'ENOENT'
      ? exitCode.helperNotFound
      : exitCode.helperNotExecutable
    : cannotEnter[inside.kind];
  return { ended: Promise.resolve(status), kill: () => {} };
}

function cannotRun({ kind }: RootfsEntry, program: string): string {
  return kind === 'chroot'
    ? `chroot: failed to run command '${program}'`
    : `nsenter: failed to execute ${program}`;
}

function cannotReach(inside: RootfsEntry): string {
  return inside.kind === 'chroot'
    ? `chroot: cannot change root directory to '${inside.directory}'`
    : `nsenter: cannot open ${inside.file}`;
}
