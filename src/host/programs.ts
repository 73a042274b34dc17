import { accessSync, constants } from 'node:fs';
import { MounterError } from '../errors.ts';
import { exitCode } from '../exit-codes.ts';
import type { RootfsEntrance } from './host.ts';

/** Where programs are on the host and in the rootfs; what kubelet's PATH says has no say in it. */
export const programDirectories = ['/usr/sbin', '/usr/bin', '/sbin', '/bin'];

/**
 * In the environment of what we run: a mount helper that is mounter again knows itself by it. A full executable that
 * the front runs is no mount helper, whatever its file is called.
 */
export const callerMark = 'MOUNTER_CALLS';
export const calledByFront = 'front';

/** Nothing of kubelet's environment: mount.glusterfs takes its own variables from it. */
export const environment = { PATH: programDirectories.join(':'), LC_ALL: 'C', [callerMark]: 'helper' };

/** In the environment of the front that a full executable has in itself: the path of that one's file. */
export const fullVariable = 'MOUNTER_FULL';

/** @throws MounterError (system) when the host has no program of that name. */
export function findProgram(name: string): string {
  for (const directory of programDirectories) {
    const path = `${directory}/${name}`;
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // The next directory, then.
    }
  }
  throw new MounterError(`the host has no ${name}`, {
    subject: name,
    status: exitCode.system,
    hint: `mounter needs ${name} in one of ${programDirectories.join(', ')}`,
  });
}

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
