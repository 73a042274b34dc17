import * as system from 'system-calls';
import { MounterError } from '../errors.ts';
import { exitCode } from '../exit-codes.ts';
import { isSameFile } from '../host/host.ts';
import type { HelperName } from '../mount/arguments/argv.ts';
import type { Layout } from '../node/layout.ts';
import { frontHost as host } from './host.ts';

/**
 * Where the mounter is off, the host's own mount(8) takes this process's place, with all that it was given. Not by the
 * full executable: that may be broken.
 * @param why what turns it off, in words.
 * @throws MounterError (system) where there is none, and for a mount helper: mount(8) is who called it.
 */
export function mountByHost(helperName: HelperName | undefined, layout: Layout, why: string): never {
  if (helperName !== undefined) throw turnedOff(helperName, why);
  const program = host.findProgram('mount');
  const ours = ['/proc/self/exe', layout.executable, layout.fullExecutable];
  if (ours.some((path) => isSameFile(host.stat(program), host.stat(path)))) {
    throw new MounterError('is mounter itself, not a mount(8) of the host', {
      subject: program,
      status: exitCode.system,
      hint: `remove this link, or turn the mounter on, which is off by ${why}: mounter enable`,
    });
  }
  const [code] = system.errorNames(-system.replace(program, 1));
  throw new MounterError(`could not be started: ${code}`, {
    subject: program,
    status: exitCode.helperNotExecutable,
    hint: `see whether ${program} runs by itself`,
  });
}

function turnedOff(helperName: HelperName, why: string): MounterError {
  return new MounterError(`the mounter is turned off on this node, by ${why}`, {
    subject: helperName,
    status: exitCode.system,
    hint: `mounter enable turns it on; mounter disable takes ${helperName} away, and leaves mount(8) as it is without us`,
  });
}
