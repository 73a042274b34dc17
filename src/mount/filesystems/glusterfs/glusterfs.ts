import type { Host } from '../../../host/host.ts';
import { glusterfsPrograms, isProgram } from '../../../host/processes.ts';
import { processesIn } from '../../../rootfs/root-processes.ts';
import { usageError } from '../../arguments/getopt.ts';
import { lastOption, parseOptions } from '../../arguments/options.ts';
import type { MountRequest } from '../../arguments/request.ts';
import type { FilesystemDaemon, FilesystemDriver, FilesystemTraits } from '../filesystem-driver.ts';
import { helperOptions } from '../mount-options.ts';
import { bracketed, nobodysId, optionWords, plain, plainTraits } from '../plain.ts';
import {
  glusterfsKernelType,
  glusterfsOptions,
  glusterfsPlaces,
  glusterfsServers,
  isSameGlusterfsSource,
  likenessOfVolume,
  logFileOf,
  withoutIpv6Brackets,
} from './source.ts';

/**
 * What glusterfs loads before it asks a server, and what a volume names that nobody has set options of: the same from 3.7
 * to 11. libgcc_s is pthread_cancel(3)'s.
 */
const clientLibraries = [
  'rpc-transport/socket',
  'xlator/mount/fuse',
  'xlator/meta',
  'xlator/protocol/client',
  ...['distribute', 'replicate', 'disperse'].map((name) => `xlator/cluster/${name}`),
  ...['write-behind', 'read-ahead', 'readdir-ahead', 'io-cache', 'open-behind', 'quick-read', 'md-cache'].map(
    (name) => `xlator/performance/${name}`,
  ),
  'xlator/debug/io-stats',
].map((name) => `/${name}.so`);

const glusterfsTraits: FilesystemTraits = {
  ...plainTraits,
  kernelTypes: [glusterfsKernelType],
  // mount.glusterfs(8), a shell script, calls them.
  calledPrograms: ['sh', 'glusterfs', 'sed', 'awk', 'cut', 'grep', 'stat', 'uname', 'wc'],
  loadedLibraries: [...clientLibraries, '/libgcc_s.so.1'],
  mayLoad:
    /\/glusterfs\/[^/]+\/(rpc-transport\/socket|xlator\/(meta|mount\/fuse|protocol\/client|((cluster|debug|performance|system)\/|features\/(utime|shard|read-only|locks|posix-locks|worm|cdc|cloudsync|leases|namespace|selinux|upcall|snapview-client))[^/]*))\.so$/,
  saysVersion: true,
  isGuarded: true,
  writesTo: [{ path: '/var/log/glusterfs', user: 'the logs of glusterfs', full: 'warning' }],
  volume: { attribute: 'volume', isAbsolute: false, asked: askedOfServers },
  daemons: glusterfsDaemons,
};

/** Those behind the first have the same volume. */
function askedOfServers(servers: string, path: string) {
  const [first = '', ...backups] = servers.split(',').map((name) => name.trim());
  return {
    source: `${bracketed(first)}:/${path.replace(/^\//, '')}`,
    options: backups.length === 0 ? [] : [`backup-volfile-servers=${backups.join(':')}`],
  };
}

/** GlusterFS, by FUSE: a daemon serves each mount. */
export const glusterfs: FilesystemDriver = {
  ...plain,
  kind: 'glusterfs',
  traits: glusterfsTraits,
  options: glusterfsOptions,
  servers: glusterfsServers,
  places: glusterfsPlaces,
  isSameSource: isSameGlusterfsSource,
  likeness: likenessOfVolume,
  helperArgv: glusterfsHelperArgv,
  // mount.glusterfs has no -f.
  hasFakeMount: false,
  // Its daemon reads /proc/PID/status of whoever uses the volume, for supplementary groups: it has a procfs, in which
  // root could change settings of the kernel.
  privileges: { ...plain.privileges, user: nobodysId },
  daemon: 'glusterfs',
  logFile: logFileOf,
  isAsked: isSameGlusterfsSource,
  isNewMountProof: false,
  // By itself it asks for IPv4 addresses alone.
  familyOption: (asked, family) => (family === 6 ? version6Option(asked) : undefined),
  probe: async () => (await import('./probe.ts')).glusterfsProbe,
  failureTexts: async () => (await import('./failure.ts')).glusterfsFailureTexts,
};

/**
 * argv for mount.glusterfs. It ends with status 0 and mounts nothing when it gets a flag that it does not
 * know, `-v` and `-f` among them, and it takes an IPv6 address only without brackets (glusterfs 10.3).
 * @throws MounterError (usage) for what its shell would not take literally.
 */
function glusterfsHelperArgv(helper: string, request: MountRequest): readonly string[] {
  refuseShellText('source', request.source, request.source);
  refuseShellText('target', request.target, request.target);
  refuseShellText('options', request.options, 'options');
  const source = withoutIpv6Brackets(request.source).replace(/\/{2,}/g, '/');
  if (!/^\w[\w.:%,-]*:\/?[\w-]+(\.(tcp|rdma))?(\/[^/]+)*\/?$/.test(source)) {
    throw usageError(
      request.source,
      'is not written SERVER:VOLUME',
      'write SERVER:VOLUME or SERVER:/VOLUME/DIRECTORY',
    );
  }
  if (/(^|\/)\.\.?(\/|$)/.test(source))
    throw usageError(request.source, 'has a "." or ".." in it', 'write the directory without them');
  refuseLongNames(request);
  const flags = request.helperFlags.filter((flag) => flag === '-n' || flag === '-s');
  return [helper, source, onNoLineOf(request.target), ...flags, ...optionWords(toldOptions(request))];
}

/** It counts them with their newline, and drops a longer one without a word. @see is_valid_hostname() of glusterfs 3.7 to 11 */
const maximumNameLength = 63;

function refuseLongNames(request: MountRequest): void {
  const long = glusterfsPlaces(request)?.find(({ server }) => server.length > maximumNameLength)?.server;
  if (long === undefined) return;
  throw usageError(
    long,
    `is ${long.length} characters long, and mount.glusterfs takes no name of a server with more than ${maximumNameLength}`,
    'name its address, or a shorter name of it',
  );
}

/**
 * mount.glusterfs looks for the target in /proc/mounts by a regular expression, and where the rootfs is entered by
 * chroot(2) would take `pv-1` there for `pv.1`. No line has a path that ends in a slash.
 */
function onNoLineOf(target: string): string {
  return `${target}/`;
}

function version6Option({ options }: Pick<MountRequest, 'options'>): string | undefined {
  return options.includes('address-family') ? undefined : 'xlator-option=transport.address-family=inet6';
}

/** glusterfs 11 goes by IPv4 for an address of IPv6, too; 10 went by each address's own family. */
function isByVersion6(request: MountRequest): boolean {
  const addresses = (glusterfsPlaces(request) ?? []).filter(({ server }) => /^[\d.]+$|:.*:/.test(server));
  return addresses.length > 0 && addresses.every(({ server }) => server.includes(':'));
}

/** With the log's name, in which the slash at the end of the target would be one more `-`, and the family of addresses. */
function toldOptions(request: MountRequest): string {
  const options = helperOptions(request.options, false);
  const isNamed = lastOption(parseOptions(options), 'log-file') !== undefined;
  return [
    options,
    isNamed ? '' : `log-file=${logFileOf(request)}`,
    isByVersion6(request) ? (version6Option(request) ?? '') : '',
  ]
    .filter((text) => text !== '')
    .join(',');
}

/**
 * mount.glusterfs's shell splits words at blanks, expands `*?[]` in them, and dash's echo decodes backslashes: `\054`
 * becomes a comma, and an option more. Brackets may stand around an IPv6 address in options.
 */
function refuseShellText(what: 'source' | 'target' | 'options', text: string, subject: string): void {
  const literal = what === 'target' ? text : text.replace(/\[[0-9a-fA-F.]*:[0-9a-fA-F:.]*\]/g, '');
  const found = /[\s\\*?[\]]/.exec(literal);
  if (found === null) return;
  throw usageError(
    subject,
    `has "${found[0]}" in it, which mount.glusterfs's shell would not take literally`,
    `write the ${what} without it`,
  );
}

/**
 * Started as `glusterfs … --process-name fuse --volfile-server=SERVER --volfile-id=VOLUME TARGET`, two for one mount with
 * `auto_unmount`. A stranger's command line is not asked for: it may keep us waiting for ever.
 */
function glusterfsDaemons(host: Host, directories: readonly string[]): readonly FilesystemDaemon[] {
  const named = host.processes().filter((process) => isProgram(process, glusterfsPrograms));
  return processesIn(host, directories, named).flatMap(({ pid }) => {
    const target = commandLineOf(host, pid).at(-1)?.replace(/\/$/, '');
    return target === undefined ? [] : [{ pid, target }];
  });
}

function commandLineOf(host: Host, pid: number): readonly string[] {
  try {
    return host.readText(`/proc/${pid}/cmdline`)?.split('\0').slice(0, -1) ?? [];
  } catch {
    return []; // It has ended while we looked.
  }
}
