import type { FileStatus, Host } from '../host/host.ts';

/**
 * What the rootfs's copies of the node's files were made of: a line for each file and directory that was looked at.
 *
 * ```
 * 2050 131 4096 1764320000123.4 /etc
 * 2050 977 221 1764320000120 /etc/hosts
 * - /etc/nfs.conf
 * ```
 * The first is /etc itself, which changes when a file in it appears, vanishes or is replaced. So a mount looks at these
 * paths, and at nothing else, to know that its copies are right; this file is loaded by every mount.
 */
export interface Stamps {
  readonly host: Host;
  /** `versions/<digest>`, or the symlink to it. */
  readonly rootfs: string;
}

const nodeDirectory = '/etc';

export function stampsFile(rootfs: string): string {
  return `${rootfs}/.mounter-node-files`;
}

/** A line for each of `paths`, behind that of /etc; newline-terminated. */
export function stampsOf(paths: readonly string[], host: Host): string {
  return [nodeDirectory, ...paths].map((path) => `${stampOf(host.stat(path))} ${path}\n`).join('');
}

function stampOf(status: FileStatus | undefined): string {
  if (status === undefined) return '-';
  return `${status.device} ${status.inode} ${status.size} ${status.changedMs}`;
}

/**
 * Whether the copies may be of something else by now. Never where `prepare` has not made them, or this process has
 * another /etc than it had: a kubelet in a container has one of its own, which says nothing of the node.
 */
export function areCopiesOld({ host, rootfs }: Stamps): boolean {
  const text = host.readText(stampsFile(rootfs));
  if (text === undefined) return false;
  const lines = text.split('\n').slice(0, -1);
  const changed = lines.find((line) => !isCurrent(line, host));
  return changed !== undefined && isSameDirectory(lines[0] ?? '', host);
}

function isCurrent(line: string, host: Host): boolean {
  const at = line.indexOf(' /');
  return stampOf(host.stat(line.slice(at + 1))) === line.slice(0, at);
}

function isSameDirectory(line: string, host: Host): boolean {
  const [device, inode] = line.split(' ');
  const status = host.stat(nodeDirectory);
  return String(status?.device) === device && String(status?.inode) === inode;
}
