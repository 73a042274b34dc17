import { accessSync, constants } from 'node:fs';
import { MounterError } from '../errors.ts';
import { exitCode } from '../exit-codes.ts';
import { programDirectories } from './child-environment.ts';

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
