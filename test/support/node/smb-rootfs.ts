import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { cacheDirectory, repository } from '../../../scripts/paths.ts';
import { page } from '../texts/readme.ts';

/** The rootfs that mounts SMB, made from the shipped manifest by the one change that docs/smb.md names. */

const off = '    "cifs": null,\n    "smb3": null\n';
const on = /^```\n( {4}"cifs": \{[\s\S]*?)```$/m.exec(page('docs/smb.md'))?.[1] ?? '';

/** @throws Error where the manifest, or docs/smb.md, is written otherwise. */
export function withSmb(manifest: string): string {
  if (on === '' || !manifest.includes(off)) throw new Error('docs/smb.md does not fit rootfs-manifest.json');
  return manifest.replace(off, on);
}

const directory = join(cacheDirectory, 'smb-rootfs');
export const smbRootfs = join(directory, 'rootfs.tar.zst');

export async function ensureSmbRootfs(): Promise<void> {
  const manifest = join(directory, 'shipped-with-smb.json');
  await mkdir(directory, { recursive: true });
  await writeFile(manifest, withSmb(await readFile(join(repository, 'rootfs-manifest.json'), 'utf8')));
  const argv = ['--allow-newer', '--manifest', manifest, '--output', directory];
  await execa(process.execPath, [join(repository, 'scripts/rootfs.ts'), ...argv], {
    stdio: ['ignore', 'inherit', 'inherit'],
  });
}
