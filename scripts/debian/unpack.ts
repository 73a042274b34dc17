import { mkdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { type ExecaError, execa } from 'execa';
import { MounterError } from '../../src/errors.ts';
import { exitCode } from '../../src/exit-codes.ts';
import { hintOf } from '../../src/host/system-error.ts';
import { withProgress } from '../progress.ts';
import type { DebFile } from './deb-file.ts';

/**
 * Unpacks the files of `debs` into `directory`, without running their scripts, owners and modes kept.
 * `/bin`, `/sbin`, `/lib` and `/lib64` become links into `/usr` first: packages of Debian 12 still ship
 * files under both names.
 * @param exclude patterns of tar(1), e.g. `./usr/share/man`.
 * @throws MounterError (system) that names the package.
 */
export async function unpackInto(
  debs: readonly DebFile[],
  directory: string,
  exclude: readonly string[] = [],
): Promise<void> {
  for (const name of ['bin', 'sbin', 'lib', 'lib64']) await linkIntoUsr(directory, name);
  await withProgress('unpacking Debian packages', async (line) => {
    for (const [index, deb] of debs.entries()) {
      await unpack(deb, directory, exclude);
      line.show(`unpacked ${index + 1} of ${debs.length} Debian packages`);
    }
  });
}

async function linkIntoUsr(directory: string, name: string): Promise<void> {
  await mkdir(join(directory, 'usr', name), { recursive: true });
  await symlink(`usr/${name}`, join(directory, name)).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error;
  });
}

async function unpack(deb: DebFile, directory: string, exclude: readonly string[]): Promise<void> {
  const tar = ['-xp', '--numeric-owner', '--keep-directory-symlink', '-C', directory];
  const excludes = exclude.map((pattern) => `--exclude=${pattern}`);
  try {
    await execa('dpkg-deb', ['--fsys-tarfile', deb.path], { stdout: 'pipe', buffer: false }).pipe('tar', [
      ...tar,
      ...excludes,
    ]);
  } catch (error) {
    const isFull = String((error as ExecaError).stderr ?? '').includes('No space left on device');
    throw new MounterError(`could not be unpacked into ${directory}`, {
      subject: deb.path,
      status: exitCode.system,
      hint: isFull ? hintOf('ENOSPC') : 'remove the file, so that it is downloaded again',
      cause: error,
    });
  }
}
