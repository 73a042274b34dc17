import { writeSync } from 'node:fs';
import { MounterError } from '../errors.ts';
import { exitCode } from '../exit-codes.ts';
import { embeddedFile } from '../host/embedded-file.ts';
import { fullVariable } from '../host/programs.ts';
import { ownArguments, replaceProcess } from '../host/replace-process.ts';
import { defaultHome } from '../node/layout.ts';

/**
 * `mounter mount` of the full executable: the front that it has in itself takes this process's place, which alone mounts
 * (src/front/mount.ts). Not the one beside it: that may be another version's, which would hand it back.
 * @throws MounterError (126) when the kernel does not start it.
 */
export async function mount(): Promise<never> {
  const front = await embeddedFile('mounter-front');
  if (front === undefined)
    throw new Error('this is no executable that npm run build has made: it has no front');
  const { openMemory } = await import('../host/process-calls.ts');
  // By this name prepare knows a call that runs (src/prepare/running-calls.ts).
  const file = openMemory('mounter');
  for (let at = 0; at < front.length; ) at += writeSync(file, front, at);
  try {
    return await replaceProcess(`/proc/self/fd/${file}`, ownArguments(), {
      [fullVariable]: process.execPath,
    });
  } catch (error) {
    throw new MounterError(`the front in it ${(error as Error).message}`, {
      subject: process.execPath,
      status: exitCode.helperNotExecutable,
      hint: `call the mounter that is installed, such as ${defaultHome}/mounter; the sysctl vm.memfd_noexec of this node may forbid to run a program out of memory`,
      cause: error,
    });
  }
}
