import { type MountEntry, readMountinfo } from '../../../host/mountinfo.ts';
import { parseIpAddress } from '../../../ip-address.ts';
import { kernelTypes } from '../../../manifest/filesystem-kinds.ts';
import { shellWord } from '../../../shell-word.ts';
import { usageError } from '../../arguments/getopt.ts';
import { lastOption, parseOptions } from '../../arguments/options.ts';
import type { MountContext } from '../../context.ts';
import type { Asked, Likeness, SourcePlace } from '../filesystem-driver.ts';
import { optionReadings, valueIn, valuesOf, withoutBrackets } from '../option-readings.ts';
import { nfsOptions } from './options.ts';

/** How a source is written, `server:/path`, and where it leads. @see nfs(5) */

/** The types under which the kernel lists its mounts. */
export const nfsKernelTypes: readonly string[] = kernelTypes.nfs;

/**
 * The server of `server:/path`, as mount.nfs reads it: without the brackets of an IPv6 address, and of
 * several names the first. Undefined for what it would refuse.
 */
export function nfsServer(source: string): string | undefined {
  const [, bracketed, plain] = /^(?:\[([^\]]+)\]|([^:/[\]]+)):/.exec(source) ?? [];
  if (source.startsWith('nfs://')) return undefined;
  return bracketed ?? plain?.split(',')[0];
}

/** mount.nfs takes URLs since nfs-utils 2.8.3, and decodes them. */
export function decodedSource(source: string): string {
  return source.startsWith('nfs://') ? source.replace(/%2e/gi, '.').replace(/%2f|\?/gi, '/') : source;
}

/**
 * Every host before the first colon, of which mount.nfs takes the first, and those of options: mountd hands out
 * the directory (mountaddr, mounthost); addr is replaced by mount.nfs, and not by every helper.
 * @see nfs_parse_devname() in utils/mount/parse_dev.c of nfs-utils, nfs_parse_source() in fs/nfs/fs_context.c
 */
export function nfsPlaces({ source, options }: Asked): readonly SourcePlace[] | undefined {
  // A URL: newer helpers take it, and decode what is in it.
  if (/^nfs:\/\//i.test(source)) return undefined;
  const [, bracketed, plain, path = ''] = /^(?:\[([^\]]*)\]|([^:[]*)):(.*)$/.exec(source) ?? [];
  const hosts = bracketed === undefined ? plain?.split(',') : [bracketed];
  if (hosts === undefined) return undefined;
  const readings = optionReadings(nfsOptions, options);
  if (readings.some(({ name }) => name === 'source')) return undefined;
  return [
    ...hosts.map((server) => ({ server, path, says: 'the source' })),
    ...valuesOf(readings, 'addr', 'mountaddr', 'mounthost').map(([name, host]) => ({
      server: withoutBrackets(host),
      path,
      says: `the server that ${name} names`,
    })),
  ];
}

/** mount.nfs would look for a server named `fd00`. @throws MounterError (usage) that says how to write it. */
export function refuseBareIpv6(source: string): void {
  const [, host] = /^([^/[]*:[^/[]*):\//.exec(source) ?? [];
  if (host === undefined || parseIpAddress(host) === undefined) return;
  throw usageError(source, 'has an IPv6 address without brackets', correctedSource(source));
}

/** The next action for a source that mount.nfs cannot read: a URL, one without a colon or a bracket, one too long. */
export function correctedSource(source: string): string {
  if (source.length > 255)
    return 'name a shorter one: a server can export a directory by a shorter path, too';
  const [, place = '', path = '/PATH'] = /^(?:nfs:)?(?:\/\/)?([^/]*?):?(\/.*)?$/.exec(source) ?? [];
  const host = place.replace(/^(\[.*\]|[^:]*):\d+$/, '$1').replace(/^\[|\]$/g, '') || 'SERVER';
  return `write ${shellWord(`${host.includes(':') ? `[${host}]` : host}:${path}`)}`;
}

export function isSameNfsSource(asked: Asked, entry: MountEntry): boolean {
  return isSamePort(asked, entry) && canonicalNfsSource(entry.source) === canonicalNfsSource(asked.source);
}

/** Also whether it is NFS. One address may have a server at each port; without a port mount.nfs asks for it. */
function isSamePort({ options }: Asked, { fstype, superOptions }: MountEntry): boolean {
  const asked = lastOption(parseOptions(options), 'port')?.value;
  const [port = '2049'] = valueIn(superOptions, 'port');
  return nfsKernelTypes.includes(fstype) && (asked === undefined || Number(asked) === Number(port));
}

/** The kernel keeps the name by which a filesystem was first mounted, and says where it was mounted from. */
export function likenessOfExport(asked: Asked, entry: MountEntry): Likeness | undefined {
  const server = nfsServer(asked.source);
  if (server === undefined || !isSamePort(asked, entry)) return undefined;
  const mountedFrom = valueIn(entry.superOptions, 'addr');
  return { servers: [server], mountedFrom, isOtherPath: pathOf(entry.source) !== pathOf(asked.source) };
}

/**
 * The kernel knows a filesystem by the name that it was first mounted by on this node, and says that for another name or
 * path, too. So the name says nothing where another mount shows the same filesystem.
 */
export function isAskedExport(
  { source }: Asked,
  entry: MountEntry,
  { host, manifest }: MountContext,
): boolean {
  if (!nfsKernelTypes.includes(entry.fstype)) return true;
  if (pathOf(entry.source) === pathOf(source)) return true;
  if (manifest.policy.sources !== undefined) return false;
  return readMountinfo(host).some(({ device }) => device === entry.device);
}

/** `/path` of `server:/path`, whatever colons are in that path. */
export function pathOf(source: string): string {
  const canonical = canonicalNfsSource(source);
  return canonical.slice(canonical.indexOf(':', canonical.startsWith('[') ? canonical.indexOf(']') : 0) + 1);
}

/**
 * The server that is asked, and its directory from its root on, without needless slashes and ".": `a,b:x/./y/` is
 * `a:/x/y`.
 */
function canonicalNfsSource(source: string): string {
  const colon = source.startsWith('[') ? source.indexOf(']:') + 1 : source.indexOf(':');
  if (colon <= 0) return source;
  const parts = source.slice(colon + 1).split('/');
  const path = parts.filter((part) => part !== '' && part !== '.').join('/');
  return `${source.slice(0, colon).replace(/,.*/, '')}:/${path}`;
}
