import type { Host } from '../host/host.ts';

/**
 * Whoever restarts kubelet, or ends the CSI driver's container, ends all processes of its control group: a daemon that a
 * mount leaves behind has to be in another, or volumes and locks would go along. It is moved there after its start:
 * where systemd runs, into a scope of its own; elsewhere into one group for all of them, in each hierarchy.
 */

/** A daemon and what it is, for the name of its unit: `containerized-mounter-ROLE-PID.scope`. */
export interface ScopedDaemon {
  readonly role: string;
  readonly pid: number;
}

/**
 * Moves those of the daemons that are in our own control group. A failure is no failure of the mount: the daemon is
 * where it would be without us.
 * @param find looks for them; called only where they have to be moved.
 * @see org.freedesktop.systemd1(5) "StartTransientUnit"
 */
export async function moveToScopes(host: Host, find: () => readonly ScopedDaemon[]): Promise<void> {
  try {
    const own = host.readText('/proc/self/cgroup') ?? '';
    const isBySystemd = isSystemdRunning(host);
    if (!isBySystemd && isRoot(own)) return;
    const daemons = find().filter(({ pid }) => host.readText(`/proc/${pid}/cgroup`) === own);
    if (daemons.length === 0) return;
    const program = host.findProgram(isBySystemd ? 'busctl' : 'sh');
    const calls = isBySystemd ? daemons.map(startTransientUnit) : [joinGroup(daemons)];
    for (const words of calls)
      await host.run({ argv: [program, ...words], deadlineMs: 5000, terminateMs: 1000 });
  } catch {
    // No busctl(1), or nothing of it can be looked at, or the daemon has ended meanwhile.
  }
}

/** @see sd_booted(3) */
export function isSystemdRunning(host: Host): boolean {
  return host.stat('/run/systemd/system')?.kind === 'directory';
}

/** `4:memory:/` and `0::/`: nobody ends what is there. Seen from another control group namespace it is `/../…`. */
function isRoot(cgroups: string): boolean {
  return !/^\d+:[^:]*:\/(?!\.\.|$)/m.test(cgroups);
}

/**
 * A function of sh(1) that moves the processes with these numbers out of whatever group they are in. In version 1 there is
 * a directory for each hierarchy; that of cpuset takes nobody before it has been given processors, so there they become
 * the root's.
 * @see cgroups(7)
 */
export const leaveGroup = `leave_group() {
  cd /sys/fs/cgroup || return
  for root in $([ -e cgroup.procs ] && echo . || echo *); do
    [ -e $root/cgroup.procs ] || continue
    [ -d $root/containerized-mounter ] || mkdir -p $root/containerized-mounter
    for pid; do
      for group in $root/containerized-mounter $root; do echo $pid >$group/cgroup.procs && break; done
    done
  done
}`;

const joinGroup = (daemons: readonly ScopedDaemon[]): readonly string[] => [
  '-c',
  `${leaveGroup}\nleave_group "$@"`,
  'sh',
  ...daemons.map(({ pid }) => String(pid)),
];

const call =
  'call org.freedesktop.systemd1 /org/freedesktop/systemd1 org.freedesktop.systemd1.Manager StartTransientUnit ssa(sv)a(sa(sv))';

function startTransientUnit({ role, pid }: ScopedDaemon): readonly string[] {
  const properties = [
    ['Description', 's', `${role} of the containerized mounter`],
    ['PIDs', 'au', '1', String(pid)],
    // At shutdown it ends after the volumes are unmounted: to unmount NFSv3 takes rpcbind and rpc.statd.
    ['Before', 'as', '1', 'remote-fs-pre.target'],
  ];
  const unit = `containerized-mounter-${role}-${pid}.scope`;
  return [...call.split(' '), unit, 'fail', String(properties.length), ...properties.flat(), '0'];
}
