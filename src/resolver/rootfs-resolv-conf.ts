import type { FileStatus } from '../host/host.ts';
import type { NodeSettings } from '../manifest/manifest.ts';
import { mergeResolvConf, usedNameservers } from './merge.ts';
import { formatResolvConf, parseResolvConf, type ResolvConf } from './resolv-conf.ts';

/**
 * The text of rootfs/etc/resolv.conf. kubelet writes that file at its start alone; the host's own changes at any time.
 * Our two first lines tell ours from kubelet's, and whether it is up to date. What kubelet wrote is kept as comments.
 */

export interface ResolverSources {
  readonly resolver: NodeSettings['resolver'];
  /** The file as it is; undefined where there is no regular one. */
  readonly current: string | undefined;
  /** The host's /etc/resolv.conf; '' when it has none. */
  readonly hostText: string;
  readonly hostStatus: FileStatus | undefined;
}

export interface WantedResolvConf {
  readonly text: string;
  readonly dropped: readonly string[];
}

const title =
  '# Written by mounter. "resolver" in its manifest says what is in it; what is written here gets lost.';
const kubeletPrefix = '# kubelet: ';
const droppedPrefix = '# left out: ';

/** Whether kubelet has never written the file: what stands in it is what we know without it. */
export function lacksKubelet(text: string): boolean {
  return text.startsWith(`${title}\n`) && rememberedOf(text) === '';
}

/** Whether the file is ours, and nothing that it was made from has changed since. */
export function isUpToDate({ current, resolver, hostStatus }: Omit<ResolverSources, 'hostText'>): boolean {
  return current?.startsWith(`${title}\n${stampOf(resolver, hostStatus)}\n`) ?? false;
}

/** @returns undefined where kubelet's file is to stay as it is. */
export function wantedResolvConf(sources: ResolverSources): WantedResolvConf | undefined {
  const { resolver, current, hostText, hostStatus } = sources;
  const isOurs = current?.startsWith(`${title}\n`) ?? false;
  const kubelet = isOurs ? rememberedOf(current ?? '') : (current ?? '');
  // One without a clusterDNS writes no name server: with its domains come those of the manifest, and the host's.
  if (resolver.mode === 'kubelet') {
    if (usedNameservers(kubelet).length > 0) {
      // Written in `merge` mode, before the mode was changed: kubelet's own words are put back.
      return isOurs ? { text: kubelet, dropped: [] } : undefined;
    }
    if (kubelet === '' && resolver.nameservers.length === 0)
      return { text: `${title}\n${stampOf(resolver, hostStatus)}\n${hostText}`, dropped: [] };
  }
  const { merged, dropped } = mergeResolvConf(
    ofManifest(resolver),
    parseResolvConf(kubelet),
    parseResolvConf(hostText),
  );
  const lines = [
    title,
    stampOf(resolver, hostStatus),
    ...asComments(
      kubeletPrefix,
      kubelet.split('\n').filter((line) => line !== ''),
    ),
    ...asComments(droppedPrefix, dropped),
  ];
  return { text: `${lines.join('\n')}\n${formatResolvConf(merged)}`, dropped };
}

function ofManifest({ nameservers, searches }: NodeSettings['resolver']): ResolvConf {
  return { nameservers, searches, options: [], others: [] };
}

function asComments(prefix: string, lines: readonly string[]): readonly string[] {
  return lines.map((line) => `${prefix}${line}`);
}

/** @returns kubelet's own text, from the comments of a file of ours. */
function rememberedOf(text: string): string {
  return text
    .split('\n')
    .filter((line) => line.startsWith(kubeletPrefix))
    .map((line) => `${line.slice(kubeletPrefix.length)}\n`)
    .join('');
}

/** A line that differs when the host's file or the manifest's section does: whatever changes a file changes ctime. */
function stampOf(resolver: NodeSettings['resolver'], status: FileStatus | undefined): string {
  const host =
    status === undefined ? 'none' : `${status.device} ${status.inode} ${status.size} ${status.changedMs}`;
  const { mode, nameservers, searches } = resolver;
  return `# from ${[mode, ...nameservers, ...searches].join(' ')}; /etc/resolv.conf ${host}`;
}
