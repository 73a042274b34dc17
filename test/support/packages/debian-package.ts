import { writeFile } from 'node:fs/promises';
import { changesOf } from '../../../scripts/release/changelog.ts';
import { debOf } from '../../../scripts/release/deb.ts';
import { debianPackage } from '../../../scripts/release/debian-package.ts';

/** Writes our Debian package in some version, with all but its large files: the executable and the rootfs. */
export async function writeSmallPackage(file: string, version: string): Promise<void> {
  const changes = changesOf(`## ${version}, 2026-01-02\n\n- Something.\n`, version, 'x');
  await writeFile(file, await debOf(debianPackage('amd64', [], changes)));
}
