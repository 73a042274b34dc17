import type { MountEntry } from '../../../host/mountinfo.ts';
import { kernelTypes } from '../../../manifest/filesystem-kinds.ts';
import { lastOption, parseOptions } from '../../arguments/options.ts';
import type { Asked, Likeness, SourcePlace } from '../filesystem-driver.ts';
import { optionReadings, valueIn, valuesOf } from '../option-readings.ts';
import { cifsOptions, passwordsApart } from './options.ts';

/** How a source is written, `//server/share[/directory]`, and where it leads. */

/** As the kernel lists its mounts. */
export const cifsKernelTypes: readonly string[] = kernelTypes.cifs;

/** A source taken apart. */
interface Share {
  /** Without brackets. */
  readonly server: string;
  readonly share: string;
  /** Its parts; none for the whole share. */
  readonly directory: readonly string[];
}

/**
 * As mount.cifs and the kernel read it: two slashes or two backslashes, then names between either.
 * @returns undefined for what they would refuse.
 * @see parse_unc() in mount.cifs.c, smb3_parse_devname() in fs/smb/client/fs_context.c
 */
export function parseShare(source: string): Share | undefined {
  const [, bracketed, plain, share, directory = ''] =
    /^(?:\/\/|\\\\)(?:\[([^\]/\\]+)\]|([^/\\[\]]+))[/\\]([^/\\]+)(?:[/\\](.*))?$/.exec(source) ?? [];
  const server = bracketed ?? plain;
  if (server === undefined || share === undefined) return undefined;
  return { server, share, directory: directory.split(/[/\\]/).filter((part) => part !== '') };
}

export function withSlashes(source: string): string {
  return source.replaceAll('\\', '/');
}

/** The one that mount.cifs connects to: that of the source, unless an option names its address. */
export function cifsServers({ source, options }: Asked): readonly string[] | undefined {
  const told = parseOptions(passwordsApart(options).rest);
  const server = lastOption(told, 'ip', 'addr')?.value ?? parseShare(source)?.server;
  return server === undefined ? undefined : [server];
}

/** Servers and shares have no upper case. mount.cifs tries again with nothing else where a server does not know a share. */
export function isSameCifsSource({ source }: Pick<Asked, 'source'>, entry: MountEntry): boolean {
  const [asked, mounted] = [parseShare(source), parseShare(entry.source)];
  return isSameShare(source, entry) && asked?.server.toLowerCase() === mounted?.server.toLowerCase();
}

function isSameShare(source: string, { fstype, source: mounted }: MountEntry): boolean {
  return cifsKernelTypes.includes(fstype) && pathIn(mounted) === pathIn(source);
}

/** All but the server; the source itself where it is none. */
function pathIn(source: string): string {
  const parsed = parseShare(source);
  return parsed === undefined ? source : [parsed.share.toLowerCase(), ...parsed.directory].join('/');
}

export function likenessOfShare(asked: Asked, entry: MountEntry): Likeness | undefined {
  if (!isSameShare(asked.source, entry)) return undefined;
  const mountedFrom = valueIn(entry.superOptions, 'addr');
  return { servers: cifsServers(asked) ?? [], mountedFrom, isOtherPath: false };
}

/** They choose another source than the one that was named, for some reader of the options. */
const sourceOptions: readonly string[] = ['source', 'unc', 'target', 'path', 'prefixpath'];

export function cifsPlaces({ source, options }: Asked): readonly SourcePlace[] | undefined {
  const parsed = parseShare(source);
  const readings = optionReadings(cifsOptions, options);
  if (parsed === undefined || readings.some(({ name }) => sourceOptions.includes(name))) return undefined;
  const path = `/${[parsed.share, ...parsed.directory].join('/')}`;
  return [
    { server: parsed.server, path, says: 'the source' },
    ...valuesOf(readings, 'ip', 'addr').map(([name, server]) => ({
      server,
      path,
      says: `the server that ${name} names`,
    })),
  ];
}
