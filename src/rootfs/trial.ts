import type { Host } from '../host/host.ts';

/** Whether programs run in a rootfs that is not in use yet, not prepared, and not trusted to end by itself. */

/** A program that only says its version takes milliseconds; a node under load, much longer. */
const deadlineMs = 20_000;
/** So many are tried within the deadline. */
const atOnce = 200;

/** A program of the rootfs, a flag, and what the flag is for. It has to end with status 0 and, but for `sh -n`, say something. */
export interface Trial {
  readonly argv: readonly string[];
  /** What is tried by it, as it is named in the rootfs. */
  readonly path: string;
}

export interface FailedTrial {
  readonly path: string;
  readonly reason: string;
}

/**
 * Mounts and processes of its own: nothing of it is there afterwards. The rootfs may lie on a filesystem that is noexec
 * until the node is prepared. A script or a library may ask for /proc and /dev/null. It prints `#NUMBER` of each when its turn
 * comes, and `#NUMBER STATUS LINE` where it fails: the last line is the one that says it, glibc's, sh's and the helpers'
 * alike. Where the rootfs has a shell that runs, chroot(1) is started once, not for each of them.
 */
const script = `root=$1; shift
mount -n --bind "$root" "$root" && mount -n -o remount,bind,exec "$root" || exit 125
if [ -d "$root/proc" ] && [ ! -L "$root/proc" ]; then mount -n -t proc proc "$root/proc" || exit 125; fi
if [ -d "$root/dev" ] && [ ! -L "$root/dev" ]; then
  mount -n -t tmpfs tmpfs "$root/dev" && : >"$root/dev/null" && mount -n --bind /dev/null "$root/dev/null" || exit 125
fi
try='root=$1; shift
number=0
while [ $# -gt 0 ]; do
  echo "#$number"
  said=$(\${root:+chroot "$root"} "$1" "$2" \${3:+"$3"} 2>&1) && status=0 || status=$?
  if [ $status != 0 ] || { [ "$2" != -n ] && [ -z "$said" ]; }; then
    printf "#%s %s %s\\n" $number $status "\${said##*
}"
  fi
  number=$((number + 1)); shift 3
done
exit 0'
if [ "$(chroot "$root" /bin/sh -c '[ 1 = 1 ] && printf runs' 2>/dev/null)" = runs ]; then
  # A child: as process 1 it could outlive the deadline.
  chroot "$root" /bin/sh -c "$try" sh '' "$@"
  exit
fi
exec sh -c "$try" sh "$root" "$@"`;

/** @returns those that fail. One that does not end is the last that is tried of its lot. */
export async function failedTrials(
  root: string,
  trials: readonly Trial[],
  host: Pick<Host, 'run' | 'findProgram'>,
): Promise<readonly FailedTrial[]> {
  const failed: FailedTrial[] = [];
  for (let first = 0; first < trials.length; first += atOnce)
    failed.push(...(await failuresOf(root, trials.slice(first, first + atOnce), host)));
  return failed;
}

async function failuresOf(
  root: string,
  trials: readonly Trial[],
  host: Pick<Host, 'run' | 'findProgram'>,
): Promise<readonly FailedTrial[]> {
  const words = trials.flatMap(({ argv: [program = '', flag = '', operand = ''] }) => [
    program,
    flag,
    operand,
  ]);
  const argv = [...namespaces(host), host.findProgram('sh'), '-c', script, 'sh', root, ...words];
  const { status, endedBy, output } = await host.run({ argv, deadlineMs, terminateMs: 0 });
  const said = [...output.matchAll(/^#(\d+)(?: (\d+) ?(.*))?$/gm)];
  const failed = said.flatMap(([, number, ended, line]): readonly FailedTrial[] => {
    const path = trials[Number(number)]?.path;
    return path === undefined || ended === undefined
      ? []
      : [{ path, reason: shortened(line) || reasonOf(Number(ended)) }];
  });
  if (endedBy === 'itself' && status === 0) return failed;
  const { path = root } = trials[Number(said.at(-1)?.[1])] ?? {};
  const last = output.trim().split('\n').at(-1) || `status ${status}`;
  return [...failed, { path, reason: endedBy === 'itself' ? last : `no end after ${deadlineMs / 1000} s` }];
}

/** ld.so begins with the program, and ends with what every errno would be. */
function shortened(line = ''): string {
  return line
    .replace(/^\S+: error while loading shared libraries: /, '')
    .replace(/: No such file or directory$/, '');
}

function reasonOf(status: number): string {
  if (status === 0) return 'it says nothing';
  return status > 128 ? `ended by signal ${status - 128}` : `status ${status}`;
}

function namespaces(host: Pick<Host, 'findProgram'>): readonly string[] {
  return [
    host.findProgram('unshare'),
    ...['--mount', '--propagation', 'private', '--pid', '--fork', '--kill-child'],
  ];
}
