import { basename } from 'node:path';
import { MounterError } from '../errors.ts';
import { exitCode } from '../exit-codes.ts';
import { type Host, isSameFile } from '../host/host.ts';
import { ownArguments, replaceProcess } from '../host/replace-process.ts';
import type { HelperName } from '../mount/argv.ts';
import type { Layout } from '../rootfs/layout.ts';

/**
 * A mount on a node whose manifest turns the mounter off (`enabled: false`): the host's own mount(8) takes
 * this process's place, with the same arguments, environment and open files.
 * @throws MounterError (system) where there is none, and for a mount helper: mount(8) is who called it.
 */
export async function mountByHost(
  helperName: HelperName | undefined,
  layout: Layout,
  host: Host,
): Promise<never> {
  if (helperName !== undefined) throw turnedOff(helperName, layout);
  const program = host.findProgram('mount');
  const ours = ['/proc/self/exe', layout.executable];
  if (ours.some((path) => isSameFile(host.stat(program), host.stat(path)))) {
    throw new MounterError('is mounter itself, not a mount(8) of the host', {
      subject: program,
      status: exitCode.system,
      hint: `remove this link, or turn the mounter on: "enabled": true in ${layout.manifest}`,
    });
  }
  // Its own name and the word `mount` are ours.
  return await replaceProcess(program, [Buffer.from(basename(program)), ...ownArguments().slice(2)]);
}

function turnedOff(helperName: HelperName, layout: Layout): MounterError {
  return new MounterError('the mounter is turned off on this node ("enabled": false)', {
    subject: layout.manifest,
    status: exitCode.system,
    hint: `set enabled to true, or take ${helperName} away: mounter install --remove-helpers`,
  });
}
