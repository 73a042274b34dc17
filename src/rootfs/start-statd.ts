import type { Manifest } from './manifest.ts';

/**
 * The start-statd that `mounter prepare` lays over the image's own: a program for the rootfs's sh.
 *
 * mount.nfs(8) runs start-statd exactly when a v3 mount with locks finds no rpc.statd, also when it settled
 * for v3 by itself. So this is the place where rpcbind is started for every mount that needs it and for
 * no other, whatever the server offers. Debian's own assumes that rpcbind is there already.
 *
 * It starts what does not answer and leaves alone what does. /run is the host's, so a host's rpcbind
 * answers here as well, and a second one refuses to start.
 */
export function startStatdScript(manifest: Manifest): string {
  const { rpcbind, statd } = manifest.daemons;
  const seconds = Math.ceil(manifest.limits.daemonSeconds);
  return `#!/bin/sh
# Written by mounter prepare. mount.nfs(8) runs this when an NFSv3 mount with locks finds no rpc.statd.
PATH=/usr/sbin:/usr/bin:/sbin:/bin; export PATH
umask 022

portmapper_answers() { timeout 3 rpcinfo -n 111 -u 127.0.0.1 100000 2 >/dev/null 2>&1; }
statd_answers() { timeout 3 rpcinfo -u 127.0.0.1 status 1 >/dev/null 2>&1; }
wait_until() { # COMMAND: every 0.1 s, for ${seconds} s
  tries=${seconds * 10}
  until "$1"; do
    tries=$((tries - 1)); [ "$tries" -gt 0 ] || return 1
    sleep 0.1
  done
}
# A process of this rootfs, not one of the host's that has the same pid file.
is_ours() { [ "/proc/$1/root/." -ef /. ]; }

# One at a time: the others wait, and then find everything running. Descriptor 9 stays out of the daemons.
exec 9>/run/start-statd.lock || exit 1
flock -w ${seconds} 9 || { echo 'start-statd: another start-statd holds /run/start-statd.lock' >&2; exit 1; }

if ! portmapper_answers; then
  # Where -w keeps the registrations for a restart; rpcbind gives up root, hence the owner.
  [ -d /run/rpcbind ] || { mkdir -m 0755 /run/rpcbind && chown _rpc /run/rpcbind; }
  ${command(rpcbind)} 9>&- </dev/null || exit 1
  wait_until portmapper_answers || { echo 'start-statd: rpcbind does not answer' >&2; exit 1; }
fi
statd_answers && exit 0
# It runs but is not registered: rpcbind lost its list, and flock(2) would hang. Only a new one registers.
if pid=$(cat /run/rpc.statd.pid 2>/dev/null) && [ -n "$pid" ] && is_ours "$pid"; then
  kill "$pid" 2>/dev/null
  is_gone() { ! kill -0 "$pid" 2>/dev/null; }
  wait_until is_gone || kill -KILL "$pid" 2>/dev/null
fi
${command(statd)} 9>&- </dev/null || exit 1
wait_until statd_answers || { echo 'start-statd: rpc.statd does not answer' >&2; exit 1; }
`;
}

function command(daemon: { readonly path: string; readonly arguments: readonly string[] }): string {
  return [daemon.path, ...daemon.arguments].map(shellQuoted).join(' ');
}

function shellQuoted(word: string): string {
  return `'${word.replaceAll("'", "'\\''")}'`;
}
