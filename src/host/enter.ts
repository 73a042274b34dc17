import type { Command, RootfsEntrance } from './host.ts';
import { findProgram } from './programs.ts';

/** What a command needs done before its program runs, by programs of the host that execute the next in their place. */

/**
 * The argv that runs `argv` inside the rootfs: the child's pid is the program's own, one process to signal.
 * @throws MounterError (system) when the host lacks the program that enters it.
 */
export function enteringArgv(inside: RootfsEntrance, argv: readonly string[]): readonly string[] {
  switch (inside.kind) {
    case 'chroot':
      return [findProgram('chroot'), inside.directory, ...argv];
    case 'namespace':
      // The kernel makes the namespace's root the working directory as well: setns(2).
      return [findProgram('nsenter'), `--mount=${inside.file}`, '--', ...argv];
    default:
      return inside satisfies never;
  }
}

/** The whole argv of a command. */
export function hostArgv({ argv, inside }: Pick<Command, 'argv' | 'inside'>): readonly string[] {
  return inside === undefined ? argv : enteringArgv(inside, argv);
}
