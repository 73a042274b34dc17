import type { MountEntry } from '../../../host/mountinfo.ts';
import { kernelTypes } from '../../../manifest/filesystem-kinds.ts';
import { lastOption, parseOptions } from '../../arguments/options.ts';
import type { Asked, Likeness, OptionGrammar, SourcePlace } from '../filesystem-driver.ts';
import { optionReadings, valuesOf, withoutBrackets } from '../option-readings.ts';
import { plain } from '../plain.ts';

/** How a source, `server:volume[/directory]`, and its options are written, and where they lead. */

/** What mount.glusterfs and glusterfs(8) must not be told, by the versions 3.7 to 11. */
const forbidden = [
  // Any option of any translator, those that name files and programs among them.
  'xlator-option',
  // Handed to mount(2) and fusermount unread; what is harmless in it has an option of its own.
  'fuse-mountopts',
  'dump-fuse',
  'pid-file',
  'socket-file',
  // A volume file of the asker's: which code is loaded, with which files.
  'volfile',
  'volfile-id',
  'logger',
  'print-exports',
  'print-netgroups',
  // The server is then the path of a socket.
  'transport=unix',
];

export const glusterfsOptions: OptionGrammar = {
  ...plain.options,
  forbidden: [...plain.options.forbidden, ...forbidden],
  harmless: ['inet', 'inet6'].map((family) => `xlator-option=transport.address-family=${family}`),
  // mount.glusterfs is a shell script, which splits its words at blanks.
  separator: /[,\s]+/,
};

/** By the name that glusterfs would give it, which does not start where that is longer than a file's may be. */
export function logFileOf({ target, options }: Asked): string {
  const given = lastOption(parseOptions(options), 'log-file')?.value;
  const name = target.slice(1, maximumNameLength - '.log'.length + 1).replaceAll('/', '-');
  return given?.startsWith('/') ? given : `/var/log/glusterfs/${name}.log`;
}

/** NAME_MAX */
const maximumNameLength = 255;

/**
 * The servers that mount.glusterfs asks for the volume, in its order; undefined where they cannot be told
 * apart: colons separate backup servers, also those inside an IPv6 address.
 */
export function glusterfsServers({ source, options }: Asked): readonly string[] | undefined {
  const plain = withoutIpv6Brackets(source);
  const servers = plain.slice(0, plain.lastIndexOf(':')).split(',');
  const parsed = parseOptions(options);
  const list = lastOption(parsed, 'backup-volfile-servers')?.value;
  const backup = lastOption(parsed, 'backupvolfile-server')?.value;
  if (list === undefined) return backup === undefined ? servers : [...servers, backup];
  if (list.includes('[') || list.includes('::')) return undefined;
  const backups = list.split(':').filter((name) => name !== '');
  return backups.some((name) => /^[0-9a-f]{1,4}$/i.test(name)) ? undefined : [...servers, ...backups];
}

export function withoutIpv6Brackets(source: string): string {
  return source.replace(/^\[([0-9a-fA-F:.%]+)\]:/, '$1:');
}

export const [glusterfsKernelType] = kernelTypes.glusterfs;

/** The kernel lists `a,b:/vol/x` as `a:/vol/x`, and by transport `a:vol.tcp`. */
export function isSameGlusterfsSource(asked: Asked, entry: MountEntry): boolean {
  const likeness = likenessOfVolume(asked, entry);
  return likeness?.servers.includes(likeness.mountedFrom[0] ?? '') ?? false;
}

/** Each of the servers that are asked for a volume has to have the same one. */
export function likenessOfVolume(asked: Asked, entry: MountEntry): Likeness | undefined {
  const mounted = { ...asked, source: entry.source, options: '' };
  if (entry.fstype !== glusterfsKernelType || directoryOf(mounted) !== directoryOf(asked)) return undefined;
  const servers = glusterfsServers(asked) ?? glusterfsServers({ ...asked, options: '' }) ?? [];
  return { servers, mountedFrom: glusterfsServers(mounted) ?? [], isOtherPath: false };
}

/** `volume/directory`. That of the source, if only a slash, counts before the one that an option names. */
function directoryOf({ source, options }: Pick<Asked, 'source' | 'options'>): string {
  const path = source.slice(source.lastIndexOf(':') + 1);
  const [volume = '', ...directory] = path.split('/').filter((part) => part !== '');
  const isNamed = /^\/?[^/]+\//.test(path);
  const named = isNamed ? undefined : lastOption(parseOptions(options), 'subdir-mount')?.value;
  const parts = named?.split('/').filter((part) => part !== '') ?? directory;
  return [volume.replace(/\.(tcp|rdma)$/, ''), ...parts].join('/');
}

/**
 * Every host before the last colon, and the backup servers, each with every directory that is asked for.
 * @see main(), parse_volfile_servers() and parse_backup_volfile_servers() of mount.glusterfs 10.3
 */
export function glusterfsPlaces({ source, options }: Asked): readonly SourcePlace[] | undefined {
  const colon = source.lastIndexOf(':');
  const servers = source.slice(0, Math.max(0, colon)).split(',').map(withoutBrackets);
  const [name = '', ...parts] = source
    .slice(colon + 1)
    .split('/')
    .filter((part) => part !== '');
  const readings = optionReadings(glusterfsOptions, options);
  if (readings.some((option) => volumeOptions.includes(option.name))) return undefined;
  const named = name.replace(/\.(tcp|rdma)$/, '');
  const subdirectories = [
    ...(parts.length === 0 ? [] : [parts.join('/')]),
    ...valuesOf(readings, 'subdir-mount').map(([, value]) => value),
  ];
  const volumes =
    subdirectories.length === 0 ? [named] : subdirectories.map((directory) => `${named}/${directory}`);
  const place = (says: string) => (server: string) => volumes.map((volume) => ({ server, volume, says }));
  return [
    ...servers.flatMap(place('the source')),
    ...valuesOf(readings, 'backup-volfile-servers', 'backupvolfile-server').flatMap(([name, list]) =>
      backupServers(list).flatMap(place(`a server that ${name} names`)),
    ),
  ];
}

/** They choose another volume than the source, or bring one along. */
const volumeOptions: readonly string[] = [
  'volume-name',
  'volume-id',
  'volfile',
  'volfile-id',
  'volfile-server',
];

/** Separated by colons, but for those in brackets: `10.0.0.2:[fd00::3]`. */
function backupServers(list: string): readonly string[] {
  return (list.match(/\[[^\]]*\]|[^:[\]]+|[[\]]/g) ?? []).map(withoutBrackets);
}
