import * as system from 'system-calls';
import { MounterError } from '../errors.ts';
import { exitCode } from '../exit-codes.ts';
import type { Command, Outcome, RootfsEntrance } from '../host/host.ts';
import type { ApartSite, ChrootSite } from '../host/mount-host.ts';
import { environment as usual } from '../host/programs.ts';
import { hintOf } from '../host/system-error.ts';
import { runCommand, type StartedChild } from './run-command.ts';
import { endOf, kill } from './signals.ts';

/** Runs a command to its end, within its limit. No chroot(1) and no nsenter(1): the child does that itself. */
export function run(command: Command): Promise<Outcome> {
  return runCommand(command, startCommand);
}

/** As execve(2) takes them: `NAME=value`. */
export function variablesOf(environment: Readonly<Record<string, string | undefined>>): readonly string[] {
  return Object.entries(environment).flatMap(([name, value]) =>
    value === undefined ? [] : [`${name}=${value}`],
  );
}

/** What a program gets, unless it is given more: nothing of our own environment. */
const variables = variablesOf(usual);

/** By one vfork(2) and execve(2). @throws MounterError (system) when it cannot be started. */
export function startCommand(
  { argv, inside }: Pick<Command, 'argv' | 'inside'>,
  output = -1,
  environment = variables,
  input = -1,
): StartedChild {
  const namespace = inside?.kind === 'namespace' ? system.open(inside.file, system.O_RDONLY, 0) : -1;
  const root = inside?.kind === 'chroot' ? inside.directory : '';
  const spawn: system.SpawnArguments = [argv, environment, root, [namespace, input, output, -1], [-1, 0, 0]];
  if (inside?.kind === 'namespace' && namespace < 0) return neverRan(spawn, inside, step.enter, -namespace);
  try {
    return startChild(spawn, inside);
  } finally {
    if (namespace >= 0) system.close(namespace);
  }
}

/** Where a child runs, if not on the host. */
type Inside = RootfsEntrance | ApartSite | ChrootSite;

/** @throws MounterError (system) when it cannot be started. */
export function startChild(spawn: system.SpawnArguments, inside: Inside | undefined): StartedChild {
  const [pid = -1, failed = 0, errno = 0] = system.spawn(...spawn);
  if (pid < 0) return neverRan(spawn, inside, failed, errno);
  return { ended: endOf(pid), kill: (signal) => kill(-pid, signal) };
}

/** `enum step` of spawn.h */
const step = { fork: 1, surroundings: 2, enter: 3, execute: 4 } as const;

/** The status of chroot(1) and nsenter(1) for what they cannot do themselves; no program does what `apart` takes. */
const cannotEnter = { chroot: 125, namespace: 1, apart: 125 } as const;

/**
 * Inside a rootfs as chroot(1) and nsenter(1) say it, whose words and statuses are known; on the host an error.
 * @throws MounterError (system)
 */
export function neverRan(
  [[program = ''], , , [, , output]]: system.SpawnArguments,
  inside: Inside | undefined,
  failed: number,
  errno: number,
): StartedChild {
  const [code, description] = system.errorNames(errno);
  // What the node has run out of is no fault of the rootfs.
  const isNodes = hintOf(code) !== undefined;
  if (inside === undefined || failed < step.enter || isNodes) throw notStarted(program, errno);
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

export function notStarted(program: string, errno: number): MounterError {
  const [code, description] = system.errorNames(errno);
  return new MounterError(`could not be started: ${code}: ${description}`, {
    subject: program,
    status: exitCode.system,
    hint: hintOf(code) ?? 'see whether the node is out of memory or processes',
  });
}

function cannotRun({ kind }: Inside, program: string): string {
  return kind === 'chroot'
    ? `chroot: failed to run command '${program}'`
    : `nsenter: failed to execute ${program}`;
}

function cannotReach(inside: Inside): string {
  switch (inside.kind) {
    case 'chroot':
      return `chroot: cannot change root directory to '${inside.directory}'`;
    case 'namespace':
      return `nsenter: cannot open ${inside.file}`;
    case 'apart':
      return 'nsenter: cannot enter the mount namespace of the call';
    default:
      return inside satisfies never;
  }
}
