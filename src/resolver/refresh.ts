import type { FileStatus, Host } from '../host/host.ts';
import type { NodeSettings } from '../manifest/manifest.ts';
import type { Layout } from '../node/layout.ts';
import { isUpToDate, type WantedResolvConf, wantedResolvConf } from './rootfs-resolv-conf.ts';

const hostResolvConf = '/etc/resolv.conf';

/**
 * Brings etc/resolv.conf of the rootfs up to date. A symlink in its place is replaced: kubelet would write through it.
 * @param root `versions/<digest>`, or the symlink to it.
 * @returns what was written; undefined where the file was right, or is kubelet's to keep.
 * @throws what writing it throws.
 */
export function refreshResolvConf(
  root: string,
  { host, manifest }: { readonly host: Host; readonly manifest: NodeSettings },
): WantedResolvConf | undefined {
  const path = `${root}/etc/resolv.conf`;
  const { resolver } = manifest;
  const status = host.lstat(path);
  if (isBeingWritten(status)) return undefined;
  const current = status?.kind === 'file' ? host.readText(path) : undefined;
  const hostStatus = host.stat(hostResolvConf);
  if (isUpToDate({ current, resolver, hostStatus })) return undefined;
  const hostText = host.readText(hostResolvConf) ?? '';
  const wanted = wantedResolvConf({ resolver, current, hostText, hostStatus });
  if (wanted === undefined || wanted.text === current) return undefined;
  host.replaceText(path, wanted.text, 0o644);
  return wanted;
}

/** kubelet empties the file, then writes into it: ours, put in its place in between, would lose what it writes. */
function isBeingWritten(status: FileStatus | undefined): boolean {
  if (status?.kind !== 'file' || status.size > 0) return false;
  // A clock that was set back makes it one of the future.
  return Math.abs(Date.now() - status.changedMs) < 2000;
}

/** For a mount, which goes on with the old file where that cannot be replaced. @returns whether there is a new one. */
export function refreshResolvConfIfPossible(context: {
  readonly host: Host;
  readonly layout: Layout;
  readonly manifest: NodeSettings;
}): boolean {
  try {
    return refreshResolvConf(context.layout.rootfs, context) !== undefined;
  } catch {
    return false; // A read-only or full disk: what is wrong there shows where it matters.
  }
}
