import type { MountContext } from '../context.ts';
import { logFileOnHost } from '../filesystems/glusterfs/log.ts';
import type { MountPlan } from '../plan.ts';

const maximumBytes = 32 * 1024;
const maximumLines = 2;
/** Of `sinceMs`, by two clocks. Not more: a call that failed just before may have had another reason. */
const inexactMs = 10;

/**
 * Of glusterfs's GF_ASSERT, which says nothing about a mount and much to whoever has a debugger; and of its own unmount,
 * which tells its user id where that is not root's, after all has failed.
 */
const isNoise = /Assertion failed: To attach gdb|^[^\]]*\] . (\[MSGID[^\]]*\] )?\[[^\]]*:gf_fuse_unmount\] /;

/** Of src/guard/interpose.c. The domain is the guard's own: no server can write it into a line of glusterfs's. */
const isRefusal = /^[^\]]*\] C \[[^\]]*\] 0-mounter: refused by mounter: /;

/**
 * The last lines in which the mount's log file names an error, newline-terminated, of this call alone: often
 * the only place that has the reason.
 *
 * The file's name comes from the options, which have been checked: no symlink and no volume is on the way. Only lines
 * that are glusterfs's own are shown, for another file's content is nobody's to see.
 * @param sinceMs when the helper was started, in milliseconds since 1970.
 */
export function glusterfsLogErrors(
  plan: MountPlan,
  sinceMs: number,
  { host, manifest }: MountContext,
): string {
  try {
    return errorLines(host.readEnd(logFileOnHost(plan, manifest), maximumBytes) ?? '', sinceMs);
  } catch {
    return '';
  }
}

/**
 * ```
 * [2023-05-04 08:15:42.123456 +0000] E [MSGID: 101075] [common-utils.c:520:gf_resolve_ip6] 0-resolver: …
 * [2017-05-04 08:15:42.123456] E [glusterfsd-mgmt.c:1925:mgmt_getspec_cbk] 0-mgmt: failed to fetch volume file
 * ```
 * The time is UTC, in microseconds.
 */
export function errorLines(log: string, sinceMs: number): string {
  const found = log.split('\n').filter((line) => {
    const [, date, time] = /^\[(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d\.\d{3})[^\]]*\] [AECM] \[/.exec(line) ?? [];
    return date !== undefined && Date.parse(`${date}T${time}Z`) >= sinceMs - inexactMs && !isNoise.test(line);
  });
  return telling(found)
    .map((line) => `${line}\n`)
    .join('');
}

/** The last ones, and before them what the guard refused: glusterfs says much of what follows from that. */
function telling(lines: readonly string[]): readonly string[] {
  const last = lines.slice(-maximumLines);
  const refused = lines.find((line) => isRefusal.test(line));
  return refused === undefined || last.includes(refused) ? last : [refused, ...last.slice(1)];
}
