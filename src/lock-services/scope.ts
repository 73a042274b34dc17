import type { Host } from '../host/host.ts';

/**
 * systemd ends all processes of a unit when it restarts that: a daemon that a mount leaves behind has to be in a scope of
 * its own, or each restart of kubelet would take volumes and locks along. It is moved there after its start.
 */

/** A daemon and what it is, for the name of its unit: `containerized-mounter-ROLE-PID.scope`. */
export interface ScopedDaemon {
  readonly role: string;
  readonly pid: number;
}

/**
 * Moves those of the daemons that are in our own control group. A failure is no failure of the mount: the daemon is
 * where it would be without us.
 * @param find looks for them; called only where systemd runs.
 * @see org.freedesktop.systemd1(5) "StartTransientUnit"
 */
export async function moveToScopes(host: Host, find: () => readonly ScopedDaemon[]): Promise<void> {
  try {
    if (!isSystemdRunning(host)) return;
    const busctl = host.findProgram('busctl');
    const own = host.readText('/proc/self/cgroup');
    for (const daemon of find()) {
      if (host.readText(`/proc/${daemon.pid}/cgroup`) !== own) continue;
      await host.run({ argv: [busctl, ...startTransientUnit(daemon)], deadlineMs: 5000, terminateMs: 1000 });
    }
  } catch {
    // No busctl(1), or nothing of it can be looked at, or the daemon has ended meanwhile.
  }
}

/** @see sd_booted(3) */
export function isSystemdRunning(host: Host): boolean {
  return host.stat('/run/systemd/system')?.kind === 'directory';
}

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
