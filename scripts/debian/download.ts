import { mkdir, readdir, rename, rm, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import pRetry from 'p-retry';
import { MounterError } from '../../src/errors.ts';
import { exitCode } from '../../src/exit-codes.ts';
import { withLooks } from '../progress.ts';
import { networkRetries, type PrivateApt } from './apt.ts';
import { type ArchivePackage, type DebFile, sha256OfFile } from './deb-file.ts';

/** Where `wanted` lies, or will lie, in `directory`. */
export function debFile(wanted: ArchivePackage, directory: string): DebFile {
  const { fileName, ...rest } = wanted;
  return { ...rest, path: resolve(directory, fileName) };
}

/** Those of `files` that are not there, or not with the sha256 they should have. */
export async function absentFiles<T extends { readonly path: string; readonly sha256: string }>(
  files: readonly T[],
): Promise<readonly T[]> {
  const digests = await Promise.all(files.map((file) => sha256OfFile(file.path)));
  return files.filter((file, i) => digests[i] !== file.sha256);
}

/**
 * Puts `packages` into `directory`, downloading those that are not there yet with the right sha256. A file
 * appears under its name only when it is whole and checked.
 * @throws MounterError (system) that names the package.
 */
export async function download(
  apt: PrivateApt,
  packages: readonly ArchivePackage[],
  directory: string,
): Promise<readonly DebFile[]> {
  const files = packages.map((wanted) => debFile(wanted, directory));
  const absent = await absentFiles(files);
  if (absent.length === 0) return files;
  process.stderr.write(`… downloading ${absent.length} of ${files.length} Debian packages (${apt.suite})\n`);
  const partial = join(directory, `.partial-${process.pid}`);
  await mkdir(partial, { recursive: true });
  try {
    const specs = absent.map((file) => `${file.name}=${file.version}`);
    const fetch = () => apt.run('apt-get', ['download', ...specs], { cwd: partial });
    await withLooks(
      'asking the archive',
      (seconds) => arrivedIn(partial, absent.length, seconds),
      () => pRetry(fetch, networkRetries),
    );
    for (const file of absent) await adopt(file, partial);
  } finally {
    await rm(partial, { recursive: true, force: true });
  }
  return files;
}

async function arrivedIn(directory: string, all: number, seconds: number): Promise<string> {
  const names = (await readdir(directory)).filter((name) => name.endsWith('.deb'));
  // One that apt has just renamed counts at the next look.
  const sizes = await Promise.all(names.map((name) => sizeOf(join(directory, name))));
  const megabytes = sizes.reduce((sum, size) => sum + size, 0) / 1e6;
  return `package ${names.length} of ${all}  ${megabytes.toFixed(1)} MB  ${(megabytes / seconds).toFixed(1)} MB/s`;
}

async function sizeOf(path: string): Promise<number> {
  return await stat(path).then(
    ({ size }) => size,
    () => 0,
  );
}

async function adopt(file: DebFile, partial: string): Promise<void> {
  const downloaded = join(partial, file.path.slice(file.path.lastIndexOf('/') + 1));
  const sha256 = await sha256OfFile(downloaded);
  if (sha256 === file.sha256) return rename(downloaded, file.path);
  const found = sha256 === undefined ? 'was not downloaded' : `has sha256 ${sha256}, not ${file.sha256}`;
  throw new MounterError(`version ${file.version} ${found}`, {
    subject: file.name,
    status: exitCode.system,
    hint: 'check the mirror in /etc/apt; if the archive did change, npm run rootfs -- --update-pins',
  });
}
