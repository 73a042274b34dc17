import { lstatSync, readlinkSync } from 'node:fs';
import { MounterError } from '../errors.ts';
import { exitCode } from '../exit-codes.ts';
import type { Manifest } from '../rootfs/manifest.ts';

/**
 * Refuses a rootfs that lacks what the manifest promises: each helper and each daemon, as an executable
 * file. And one whose etc is no directory: kubelet writes resolv.conf there, by the host's name for it, and a
 * symlink would lead to the host's own.
 * @throws MounterError (system) that names all that is missing.
 */
export function checkRootfs(root: string, manifest: Manifest): void {
  if (!lstatSync(`${root}/etc`, { throwIfNoEntry: false })?.isDirectory()) throw noEtc(manifest);
  const { rpcbind, statd } = manifest.daemons;
  const helpers = Object.values(manifest.filesystems).map(({ helper }) => helper);
  const missing = [...new Set([...helpers, rpcbind.path, statd.path])].filter(
    (path) => !isExecutable(root, path),
  );
  if (missing.length === 0) return;
  throw new MounterError(`the rootfs lacks ${missing.join(', ')}, which the manifest promises`, {
    subject: manifest.rootfs.name,
    status: exitCode.system,
    hint: 'install a rootfs that was built from this manifest',
  });
}

function noEtc(manifest: Manifest): MounterError {
  return new MounterError('the rootfs has no directory /etc of its own', {
    subject: manifest.rootfs.name,
    status: exitCode.system,
    hint: 'take a rootfs in which /etc is a directory; kubelet writes etc/resolv.conf in it',
  });
}

function isExecutable(root: string, path: string): boolean {
  const resolved = resolveInRoot(root, path);
  if (resolved === undefined) return false;
  const status = lstatSync(`${root}${resolved}`, { throwIfNoEntry: false });
  return status?.isFile() === true && (status.mode & 0o111) !== 0;
}

/**
 * The path that `path` leads to when `root` is the root directory: chroot(2)'s view, symlinks included.
 * @returns undefined when it leads nowhere or in circles.
 */
export function resolveInRoot(root: string, path: string): string | undefined {
  const pending = path.split('/').filter((part) => part !== '');
  let resolved: string[] = [];
  for (let links = 0; pending.length > 0; ) {
    const part = pending.shift() ?? '';
    if (part === '.') continue;
    if (part === '..') {
      resolved.pop();
      continue;
    }
    const status = lstatSync(`${root}/${[...resolved, part].join('/')}`, { throwIfNoEntry: false });
    if (status === undefined) return undefined;
    if (!status.isSymbolicLink()) {
      resolved.push(part);
      continue;
    }
    links += 1;
    if (links > 40) return undefined;
    const target = readlinkSync(`${root}/${[...resolved, part].join('/')}`);
    if (target.startsWith('/')) resolved = [];
    pending.unshift(...target.split('/').filter((p) => p !== ''));
  }
  return `/${resolved.join('/')}`;
}
