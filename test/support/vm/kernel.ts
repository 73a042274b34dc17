import { cp, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { MounterError } from '../../../src/errors.ts';
import { exitCode } from '../../../src/exit-codes.ts';

/** Of the x86-64 psABI; the path is part of every program. */
const interpreter = '/lib64/ld-linux-x86-64.so.2\0';
/** Where boot.sh has the build. */
const ownInterpreter = '/dev/shm/build/ld.so\0';

/**
 * Puts User Mode Linux, `uml`'s /usr/bin/linux.uml, into `directory` as `linux`, with the C library of its own
 * release: it is newer than this machine's. It starts the dynamic loader beside it in boot.sh's mount namespace,
 * and finds `lib/` by LD_LIBRARY_PATH.
 * @throws MounterError when the program is not a dynamic one as expected.
 */
export async function installKernel(uml: string, directory: string): Promise<void> {
  const libraries = join(uml, 'usr/lib/x86_64-linux-gnu');
  await mkdir(join(directory, 'lib'));
  await cp(join(libraries, 'libc.so.6'), join(directory, 'lib/libc.so.6'), { dereference: true });
  await cp(join(libraries, 'ld-linux-x86-64.so.2'), join(directory, 'ld.so'), { dereference: true });
  const kernel = await readFile(join(uml, 'usr/bin/linux.uml'));
  const start = kernel.indexOf(interpreter);
  if (start < 0)
    throw new MounterError('does not ask for the dynamic loader of x86-64', {
      subject: 'user-mode-linux',
      status: exitCode.system,
    });
  kernel.write(ownInterpreter.padEnd(interpreter.length, '\0'), start, 'latin1');
  await writeFile(join(directory, 'linux'), kernel, { mode: 0o755 });
}
