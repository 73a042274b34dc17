import { lstatSync } from 'node:fs';
import { guardedProgram } from '../../guard/guarded-program.ts';
import type { Host } from '../../host/host.ts';
import { interruption } from '../../host/interruption.ts';
import type { Manifest } from '../../manifest/manifest.ts';
import { interpreterOf } from './elf.ts';
import { resolveInRoot } from './resolve-in-root.ts';

/** Whether programs run in a rootfs that is not in use yet, not prepared, and not trusted to end by itself. */

/** A program that only says its version takes milliseconds; a node under load, much longer. */
const deadlineMs = 20_000;

/**
 * What runs the program has mounts and processes of its own: nothing it mounts and nothing it starts is
 * there afterwards. The rootfs may lie on a filesystem that is mounted noexec until the node is prepared.
 * /proc and /dev/null are what a shell script or a library may ask for.
 */
const enter = `root=$1; shift
mount -n --bind "$root" "$root" && mount -n -o remount,bind,exec "$root" || exit 125
if [ -d "$root/proc" ] && [ ! -L "$root/proc" ]; then mount -n -t proc proc "$root/proc" || exit 125; fi
if [ -d "$root/dev" ] && [ ! -L "$root/dev" ]; then
  mount -n -t tmpfs tmpfs "$root/dev" && : >"$root/dev/null" && mount -n --bind /dev/null "$root/dev/null" || exit 125
fi
exec chroot "$root" "$@"`;

/**
 * Each program that does not run in `root`, with the reason. Those that can say their version do so;
 * of the others the rootfs's own ld.so has to find every library.
 * @param paths executable files, as they are named in the rootfs.
 */
export async function failedTrials(
  root: string,
  paths: readonly string[],
  manifest: Manifest,
  host: Host,
): Promise<readonly string[]> {
  const failures: string[] = [];
  for (const path of paths) {
    const argv = trialOf(root, path, manifest);
    if (argv === undefined) continue;
    const reason = await failedTrial(root, argv, host);
    if (reason !== undefined) failures.push(`${path} (${reason})`);
  }
  return failures;
}

/** Why the program does not run in `root`, or undefined. @param argv as it is inside the rootfs. */
export async function failedTrial(
  root: string,
  argv: readonly string[],
  host: Host,
): Promise<string | undefined> {
  const outcome = await host.run({ argv: argvIn(root, argv, host), deadlineMs, terminateMs: 0 });
  if (outcome.endedBy === 'deadline') return `no end after ${deadlineMs / 1000} s`;
  if (outcome.endedBy === 'interrupt') throw interruption();
  return outcome.status === 0 ? undefined : reason(outcome.status, outcome.output);
}

/**
 * The argv, inside the rootfs, that shows whether a program runs there.
 * @returns undefined where there is nothing to try: a static program that we know no harmless call of.
 */
export function trialOf(root: string, path: string, manifest: Manifest): readonly string[] | undefined {
  const isKnown = Object.values(manifest.filesystems).some(
    ({ helper, kind }) => helper === path && kind !== 'generic',
  );
  if (isKnown) return [path, '-V'];
  const resolved = resolveInRoot(root, path);
  const interpreter = resolved === undefined ? undefined : interpreterOf(root + resolved);
  if (interpreter === undefined) return isGuarded(root, path) ? [path, '-V'] : undefined;
  return interpreter.kind === 'elf' ? [interpreter.path, '--list', path] : [interpreter.path, '-c', ':'];
}

/** The guard is no program of the rootfs's ld.so; the glusterfs that it starts is. */
function isGuarded(root: string, path: string): boolean {
  return path.endsWith('/glusterfs') && resolveInRoot(root, guardedProgram) !== undefined;
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

/** Whether `path` is an executable file of the rootfs, its own symlinks followed. */
export function isExecutable(root: string, path: string): boolean {
  const resolved = resolveInRoot(root, path);
  if (resolved === undefined) return false;
  const status = lstatSync(`${root}${resolved}`, { throwIfNoEntry: false });
  return status?.isFile() === true && (status.mode & 0o111) !== 0;
}
