import { MounterError } from '../errors.ts';
import { exitCode } from '../exit-codes.ts';
import { type Host, isSameFile } from '../host/host.ts';
import type { HelperName } from '../mount/arguments/argv.ts';
import type { Layout } from '../node/layout.ts';

/**
 * A mount on a node that the mounter is off on: the host's own mount(8) takes this process's place, with the same
 * arguments, environment and open files.
 * @param why what turns it off, in words.
 * @param replace executes the program with this process's arguments, its own name left out: `mount` comes first then.
 * @throws MounterError (system) where there is none, and for a mount helper: mount(8) is who called it.
 */
export async function mountByHost(
  helperName: HelperName | undefined,
  layout: Layout,
  host: Pick<Host, 'findProgram' | 'stat'>,
  why: string,
  replace: (program: string) => Promise<never>,
): Promise<never> {
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
  return await replace(program);
}

function turnedOff(helperName: HelperName, why: string): MounterError {
  return new MounterError(`the mounter is turned off on this node, by ${why}`, {
    subject: helperName,
    status: exitCode.system,
    hint: `mounter enable turns it on; mounter disable takes ${helperName} away, and leaves mount(8) as it is without us`,
  });
}
