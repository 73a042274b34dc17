import type { Filesystem } from '../../manifest/manifest.ts';
import type { MountRequest } from '../arguments/request.ts';
import { type OptionReading, optionReadings } from './readings.ts';

/** A directory of a server that a mount would ask for. */
export interface SourcePlace {
  readonly kind: 'nfs' | 'glusterfs';
  /** Without brackets. */
  readonly server: string;
  /** NFS: the exported path. GlusterFS: the volume, and the directory in it. */
  readonly directory: string;
  /** For a message: which word of the request leads there. */
  readonly says: string;
}

type Asked = Pick<MountRequest, 'source' | 'options'>;

/** All that a helper may ask for, in every reading; undefined where that can't be told. */
export function placesOf(kind: Filesystem['kind'], request: Asked): readonly SourcePlace[] | undefined {
  switch (kind) {
    case 'nfs':
      return nfsPlaces(request);
    case 'glusterfs':
      return glusterfsPlaces(request);
    case 'generic':
      return undefined;
    default:
      return kind satisfies never;
  }
}

/**
 * Every host before the first colon, of which mount.nfs takes the first, and those of options: mountd hands out
 * the directory (mountaddr, mounthost); addr is replaced by mount.nfs, and not by every helper.
 * @see nfs_parse_devname() in utils/mount/parse_dev.c of nfs-utils, nfs_parse_source() in fs/nfs/fs_context.c
 */
function nfsPlaces({ source, options }: Asked): readonly SourcePlace[] | undefined {
  // An URL: newer helpers take it, and decode what is in it.
  if (/^nfs:\/\//i.test(source)) return undefined;
  const [, bracketed, plain, directory = ''] = /^(?:\[([^\]]*)\]|([^:[]*)):(.*)$/.exec(source) ?? [];
  const hosts = bracketed === undefined ? plain?.split(',') : [bracketed];
  if (hosts === undefined) return undefined;
  const readings = optionReadings('nfs', options);
  if (readings.some(({ name }) => name === 'source')) return undefined;
  const place = (says: string) => (server: string) => ({ kind: 'nfs', server, directory, says }) as const;
  return [
    ...hosts.map(place('the source')),
    ...valuesOf(readings, 'addr', 'mountaddr', 'mounthost').map(([name, host]) =>
      place(`the server that ${name} names`)(withoutBrackets(host)),
    ),
  ];
}

/**
 * Every host before the last colon, and the backup servers, each with every directory that is asked for.
 * @see main(), parse_volfile_servers() and parse_backup_volfile_servers() of mount.glusterfs 10.3
 */
function glusterfsPlaces({ source, options }: Asked): readonly SourcePlace[] | undefined {
  const colon = source.lastIndexOf(':');
  const servers = source.slice(0, Math.max(0, colon)).split(',').map(withoutBrackets);
  const [volume = '', ...parts] = source
    .slice(colon + 1)
    .split('/')
    .filter((part) => part !== '');
  const readings = optionReadings('glusterfs', options);
  if (readings.some(({ name }) => volumeOptions.includes(name))) return undefined;
  const named = volume.replace(/\.(tcp|rdma)$/, '');
  const subdirectories = [
    ...(parts.length === 0 ? [] : [parts.join('/')]),
    ...valuesOf(readings, 'subdir-mount').map(([, value]) => value),
  ];
  const directories =
    subdirectories.length === 0 ? [named] : subdirectories.map((directory) => `${named}/${directory}`);
  const place = (says: string) => (server: string) =>
    directories.map((directory) => ({ kind: 'glusterfs', server, directory, says }) as const);
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

function withoutBrackets(host: string): string {
  return host.replace(/^\[([^\]]*)\]$/, '$1');
}

/** Names, and the values that their options have, quotes and all; '' for an option without one. */
function valuesOf(
  readings: readonly OptionReading[],
  ...names: readonly string[]
): readonly (readonly [name: string, value: string])[] {
  return readings
    .filter(({ name }) => names.includes(name))
    .map(({ name, text }) => [name, text.includes('=') ? text.slice(text.indexOf('=') + 1) : '']);
}
