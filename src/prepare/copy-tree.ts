import {
  chmodSync,
  copyFileSync,
  lchownSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readlinkSync,
  symlinkSync,
} from 'node:fs';

/**
 * Copies directories, files and symlinks with their owners and modes; whatever else lies there is left out.
 * @param to must not exist.
 */
export function copyTree(from: string, to: string): void {
  const status = lstatSync(from);
  if (status.isDirectory()) {
    mkdirSync(to);
    for (const name of readdirSync(from)) copyTree(`${from}/${name}`, `${to}/${name}`);
  } else if (status.isFile()) copyFileSync(from, to);
  else if (status.isSymbolicLink()) symlinkSync(readlinkSync(from), to);
  else return;
  lchownSync(to, status.uid, status.gid);
  if (!status.isSymbolicLink()) chmodSync(to, status.mode & 0o7777);
}
