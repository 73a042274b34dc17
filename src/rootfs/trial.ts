import type { Host } from '../host/host.ts';

/** Whether a program runs in a rootfs that is not in use yet, not prepared, and not trusted to end by itself. */

/** A program that only says its version takes milliseconds; a node under load, much longer. */
const deadlineMs = 20_000;

/**
 * Mounts and processes of its own: nothing of it is there afterwards. The rootfs may lie on a filesystem that is noexec
 * until the node is prepared. A script or a library may ask for /proc and /dev/null.
 */
const enter = `root=$1; shift
mount -n --bind "$root" "$root" && mount -n -o remount,bind,exec "$root" || exit 125
if [ -d "$root/proc" ] && [ ! -L "$root/proc" ]; then mount -n -t proc proc "$root/proc" || exit 125; fi
if [ -d "$root/dev" ] && [ ! -L "$root/dev" ]; then
  mount -n -t tmpfs tmpfs "$root/dev" && : >"$root/dev/null" && mount -n --bind /dev/null "$root/dev/null" || exit 125
fi
exec chroot "$root" "$@"`;

/** Why the program does not run in `root`, or undefined. @param argv as it is inside the rootfs. */
export async function failedTrial(
  root: string,
  argv: readonly string[],
  host: Host,
): Promise<string | undefined> {
  const outcome = await host.run({ argv: argvIn(root, argv, host), deadlineMs, terminateMs: 0 });
  if (outcome.endedBy === 'deadline') return `no end after ${deadlineMs / 1000} s`;
  return outcome.status === 0 ? undefined : reason(outcome.status, outcome.output);
}

function argvIn(root: string, argv: readonly string[], host: Host): readonly string[] {
  const namespaces = ['--mount', '--propagation', 'private', '--pid', '--fork', '--kill-child'];
  return [
    host.findProgram('unshare'),
    ...namespaces,
    host.findProgram('sh'),
    '-c',
    enter,
    'sh',
    root,
    ...argv,
  ];
}

/** The last line is the one that says it: glibc's, sh's and the helpers' alike. */
function reason(status: number, output: string): string {
  const line = output.trim().split('\n').at(-1) ?? '';
  return line === '' ? `status ${status}` : line;
}
