import { rootfsEntry } from '../../rootfs/enter.ts';
import type { MountContext } from '../context.ts';
import { lastOption, parseOptions } from '../options.ts';
import type { MountPlan } from '../plan.ts';

const maximumBytes = 32 * 1024;
const maximumLines = 2;
const readMs = 2000;

/** Of glusterfs's GF_ASSERT, which says nothing about a mount and much to whoever has a debugger. */
const isNoise = /Assertion failed: To attach gdb/;

/**
 * The last lines in which the mount's log file names an error, newline-terminated, of this call alone: often
 * the only place that has the reason.
 *
 * The file's name comes from the options. So it is read inside the rootfs, where no symlink leads out of it,
 * by a process with a limit, for a FIFO or a hung mount would hold us; and only lines that are glusterfs's own
 * are shown, for another file's content is nobody's to see.
 * @param sinceMs when the helper was started, in milliseconds since 1970.
 */
export async function glusterfsLogErrors(
  plan: MountPlan,
  options: string,
  sinceMs: number,
  { host, layout }: MountContext,
): Promise<string> {
  const { output, status } = await host.run({
    argv: [
      'sh',
      '-c',
      `[ -f "$1" ] && [ ! -L "$1" ] && exec tail -c ${maximumBytes} "$1"`,
      'sh',
      glusterfsLogFile(plan, options),
    ],
    inside: rootfsEntry(layout.rootfs, host),
    deadlineMs: readMs,
    terminateMs: 0,
  });
  return status === 0 ? errorLines(output, sinceMs) : '';
}

/** In the rootfs. glusterfs(8): the mount point's path with its slashes as dashes, unless `log-file=` names another. */
export function glusterfsLogFile({ target }: Pick<MountPlan, 'target'>, options: string): string {
  const given = lastOption(parseOptions(options), 'log-file')?.value;
  return given?.startsWith('/') ? given : `/var/log/glusterfs/${target.slice(1).replaceAll('/', '-')}.log`;
}

/**
 * ```
 * [2023-05-04 08:15:42.123456 +0000] E [MSGID: 101075] [common-utils.c:520:gf_resolve_ip6] 0-resolver: …
 * [2017-05-04 08:15:42.123456] E [glusterfsd-mgmt.c:1925:mgmt_getspec_cbk] 0-mgmt: failed to fetch volume file
 * ```
 * The time is UTC.
 */
export function errorLines(log: string, sinceMs: number): string {
  const found = log.split('\n').filter((line) => {
    const [, date, time] = /^\[(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d)[^\]]*\] [AECM] \[/.exec(line) ?? [];
    return date !== undefined && Date.parse(`${date}T${time}Z`) >= sinceMs - 1000 && !isNoise.test(line);
  });
  return found
    .slice(-maximumLines)
    .map((line) => `${line}\n`)
    .join('');
}
