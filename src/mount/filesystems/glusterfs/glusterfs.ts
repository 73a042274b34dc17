import { MounterError } from '../../../errors.ts';
import { exitCode } from '../../../exit-codes.ts';
import type { Host } from '../../../host/host.ts';
import { glusterfsPrograms, isProgram } from '../../../host/process-name.ts';
import { processesInAny } from '../../../rootfs/root-processes.ts';
import { lastOption, parseOptions } from '../../arguments/options.ts';
import type { MountRequest } from '../../arguments/request.ts';

/** What only GlusterFS knows: how a volume is written, its helper's ways, and the daemon behind a mount. */

/** The filesystem type under which the kernel lists a GlusterFS mount. */
export const glusterfsKernelTypes: readonly string[] = ['fuse.glusterfs'];

/**
 * argv for mount.glusterfs. It ends with status 0 and mounts nothing when it gets a flag that it does not
 * know, `-v` and `-f` among them, and it takes an IPv6 address only without brackets (glusterfs 10.3).
 * @throws MounterError (usage) for what its shell would not take literally.
 */
export function glusterfsHelperArgv(helper: string, request: MountRequest): readonly string[] {
  refuseShellText('source', request.source, request.source);
  refuseShellText('target', request.target, request.target);
  refuseShellText('options', request.options, 'options');
  const source = withoutBrackets(request.source);
  if (!/^[A-Za-z0-9][A-Za-z0-9.:%,-]*:\/?[A-Za-z0-9_-]+(\.(tcp|rdma))?(\/[^/]+)*\/?$/.test(source)) {
    throw unusable(
      request.source,
      'is not written SERVER:VOLUME',
      'write SERVER:VOLUME or SERVER:/VOLUME/DIRECTORY',
    );
  }
  if (/(^|\/)\.\.?(\/|$)/.test(source))
    throw unusable(request.source, 'has a "." or ".." in it', 'write the directory without them');
  const flags = request.helperFlags.filter((flag) => flag === '-n' || flag === '-s');
  return [
    helper,
    source,
    request.target,
    ...flags,
    ...(request.options === '' ? [] : ['-o', request.options]),
  ];
}

/**
 * mount.glusterfs is a shell script that splits its words at blanks, expands `*?[]` in them, and lets
 * dash's echo decode backslashes: `\054` becomes a comma, and an option more. Brackets are left alone in
 * options, where they can stand around an IPv6 address alone.
 */
function refuseShellText(what: 'source' | 'target' | 'options', text: string, subject: string): void {
  const literal = what === 'target' ? text : text.replace(/\[[0-9a-fA-F.]*:[0-9a-fA-F:.]*\]/g, '');
  const found = /[\s\\*?[\]]/.exec(literal);
  if (found === null) return;
  throw unusable(
    subject,
    `has "${found[0]}" in it, which mount.glusterfs's shell would not take literally`,
    `write the ${what} without it`,
  );
}

function unusable(subject: string, message: string, hint: string): MounterError {
  return new MounterError(message, { subject, status: exitCode.usage, hint });
}

/**
 * The servers that mount.glusterfs asks for the volume, in its order; undefined where they can't be told
 * apart: colons separate backup servers, also those inside an IPv6 address.
 */
export function glusterfsServers(source: string, options: string): readonly string[] | undefined {
  const plain = withoutBrackets(source);
  const servers = plain.slice(0, plain.lastIndexOf(':')).split(',');
  const parsed = parseOptions(options);
  const list = lastOption(parsed, 'backup-volfile-servers')?.value;
  const backup = lastOption(parsed, 'backupvolfile-server')?.value;
  if (list === undefined) return backup === undefined ? servers : [...servers, backup];
  if (list.includes('[') || list.includes('::')) return undefined;
  const backups = list.split(':').filter((name) => name !== '');
  return backups.some((name) => /^[0-9a-f]{1,4}$/i.test(name)) ? undefined : [...servers, ...backups];
}

function withoutBrackets(source: string): string {
  return source.replace(/^\[([0-9a-fA-F:.%]+)\]:/, '$1:');
}

/**
 * `server:volume[/directory]` in one form, that of the first server: the kernel lists `a,b:/vol/x` as
 * `a:/vol/x`, and with another transport `a:vol.tcp`.
 */
export function canonicalGlusterfsSource(source: string): string {
  const plain = withoutBrackets(source);
  const colon = plain.lastIndexOf(':');
  if (colon <= 0) return source;
  const [volume = '', ...directory] = plain
    .slice(colon + 1)
    .split('/')
    .filter((part) => part !== '');
  const server = plain.slice(0, colon).split(',')[0];
  return `${server}:${[volume.replace(/\.(tcp|rdma)$/, ''), ...directory].join('/')}`;
}

/** A glusterfs client daemon; two for one mount with `auto_unmount`. */
export interface GlusterfsDaemon {
  readonly pid: number;
  readonly target: string;
}

/**
 * Those that run in one of `directories`, which are versions of the rootfs. mount.glusterfs starts them as
 * `glusterfs … --process-name fuse --volfile-server=SERVER --volfile-id=VOLUME TARGET`. Nobody else's command line
 * is asked for: that of a stranger's process may keep us waiting for ever.
 */
export function glusterfsDaemons(host: Host, directories: readonly string[]): readonly GlusterfsDaemon[] {
  const named = host.processes().filter((process) => isProgram(process, glusterfsPrograms));
  return processesInAny(host, directories, named).flatMap(({ pid }) => {
    const target = commandLineOf(host, pid).at(-1);
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
