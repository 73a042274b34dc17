import { mkdir, writeFile } from 'node:fs/promises';
import { execa } from 'execa';
import { unpackedPackage } from '../../../scripts/debian.ts';
import { cacheDirectory } from '../../../scripts/paths.ts';
import { changesOf } from '../../../scripts/release/changelog.ts';
import { debOf } from '../../../scripts/release/deb.ts';
import { debianPackage } from '../../../scripts/release/debian-package.ts';
import { vmSuite } from '../vm/suite.ts';

/**
 * Writes our Debian package in some version, with all but its large files: the executable and the rootfs.
 * @param files of its own, texts by their paths.
 */
export async function writeSmallPackage(
  file: string,
  version: string,
  files: Readonly<Record<string, string>> = {},
): Promise<void> {
  const changes = changesOf(`## ${version}, 2026-01-02\n\n- Something.\n`, version, 'x');
  const packaged = Object.entries(files).map(([path, text]) => ({
    content: Buffer.from(text),
    mode: 0o755,
    path: undefined,
    packaged: { path, isCompressed: false },
  }));
  await writeFile(file, await debOf(debianPackage('amd64', packaged, changes)));
}

/** Of dpkg itself, for the test VM, where nothing is installed and no package known. */
const programs = ['dpkg', 'tar'];

/** Where the test VM has the small package, in the versions 1 and 2. */
export const packageInVm = (version: '1' | '2') => `/host/.cache/small-package/${version}.deb`;

export async function ensureDpkgForVm(): Promise<void> {
  for (const name of programs) await unpackedPackage(name, vmSuite);
  const directory = `${cacheDirectory}/small-package`;
  await mkdir(directory, { recursive: true });
  for (const version of ['1', '2']) await writeSmallPackage(`${directory}/${version}.deb`, version);
}

/** dpkg, in the test VM. @returns what it and the package's scripts say. */
export async function dpkgInVm(...args: readonly string[]): Promise<string> {
  await mkdir('/var/lib/dpkg/updates', { recursive: true });
  await mkdir('/var/lib/dpkg/info', { recursive: true });
  await writeFile('/var/lib/dpkg/status', '', { flag: 'a' });
  const directories = programs.flatMap((name) =>
    ['bin', 'usr/bin', 'usr/sbin'].map((directory) => `/host/.cache/${name}-${vmSuite}/files/${directory}`),
  );
  const env = { PATH: [...directories, process.env.PATH].join(':') };
  const force = ['--force-depends', '--force-bad-path'];
  return (await execa('dpkg', [...force, ...args], { env, stdin: 'ignore', all: true })).all;
}
