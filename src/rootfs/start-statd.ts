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
# What a daemon does with each descriptor it might have would take minutes at a limit of a thousand million.
ulimit -S -n 1024 2>/dev/null

# rpcinfo blocks every signal while it waits for an answer, for a minute perhaps: KILL alone ends it.
call() { timeout --foreground -s KILL 3 rpcinfo "$@" >/dev/null 2>&1; }
portmapper_answers() { call -n 111 -u 127.0.0.1 100000 2; }
statd_answers() { call -u 127.0.0.1 status 1; }
wait_until() { # COMMAND: every 0.1 s, until ${seconds} s have passed
  end=$(($(date +%s) + ${seconds}))
  until "$1"; do
    [ "$(date +%s)" -lt "$end" ] || return 1
    sleep 0.1
  done
}
# The pids of the processes of that name which are ours: of this rootfs, and on this network. A host's own
# daemon is none of our business.
ours() {
  for process in /proc/[0-9]*; do
    read -r name <"$process/comm" || continue
    [ "$name" = "$1" ] && [ "$process/root/." -ef /. ] && [ "$process/ns/net" -ef /proc/self/ns/net ] || continue
    echo "\${process#/proc/}"
  done 2>/dev/null
}
end_ours() {
  kill $(ours "$1") 2>/dev/null || return 0
  for try in 1 2 3 4 5 6 7 8 9 10; do [ -n "$(ours "$1")" ] || return 0; sleep 0.1; done
  kill -KILL $(ours "$1") 2>/dev/null
}

# One at a time: the others wait, and then find everything running. Descriptor 9 stays out of the daemons.
exec 9>/run/start-statd.lock || exit 1
flock -w ${seconds} 9 || { echo 'start-statd: another start-statd holds /run/start-statd.lock' >&2; exit 1; }

# mount.nfs gives no argument. The units start one daemon each: start-statd rpcbind, start-statd statd.
# Twice, before a daemon that is merely slow is taken for a deaf one; where none listens, both fail at once.
if [ "\${1-}" != statd ] && ! portmapper_answers && ! portmapper_answers; then
  end_ours ${name(rpcbind)}
  # Where -w keeps the registrations for a restart; rpcbind gives up root, hence the owner.
  [ -d /run/rpcbind ] || { mkdir -m 0755 /run/rpcbind && chown _rpc /run/rpcbind; }
  ${command(rpcbind)} 9>&- </dev/null || exit 1
  wait_until portmapper_answers || { echo 'start-statd: rpcbind does not answer' >&2; exit 1; }
fi
[ "\${1-}" = rpcbind ] && exit 0
statd_answers && exit 0
# It may run and not be registered: rpcbind lost its list, and flock(2) would hang. Only a new one registers.
end_ours ${name(statd)}
${command(statd)} 9>&- </dev/null || exit 1
wait_until statd_answers || { echo 'start-statd: rpc.statd does not answer' >&2; exit 1; }
`;
}

/** As /proc/PID/comm has it: at most 15 bytes. */
function name({ path }: { readonly path: string }): string {
  return shellQuoted(path.slice(path.lastIndexOf('/') + 1).slice(0, 15));
}

function command(daemon: { readonly path: string; readonly arguments: readonly string[] }): string {
  return [daemon.path, ...daemon.arguments].map(shellQuoted).join(' ');
}

function shellQuoted(word: string): string {
  return `'${word.replaceAll("'", "'\\''")}'`;
}
