import { locksDirectory, runDirectory } from '../node/layout.ts';
import { guardedProgram } from '../rootfs/guarded-program.ts';
import { shellQuoted } from '../shell-word.ts';
import { lockServices, programName, type Service, securityServices } from './services.ts';
import { kerberosQuestions, type ServiceSettings, serviceFunctions, serviceStarts } from './starts.ts';

/**
 * The start-statd that `mounter prepare` lays over the image's own: a program for the rootfs's sh. mount.nfs(8) runs it
 * exactly when a v3 mount with locks finds no rpc.statd, so it starts rpcbind too, for no other mounts. Debian's own
 * assumes that rpcbind is there. What answers is left alone: /run is the host's, and its rpcbind answers here as well.
 * `start-statd ROLE` does so for any service of the table.
 */
export function startStatdScript(manifest: ServiceSettings): string {
  const seconds = Math.ceil(manifest.limits.daemonSeconds);
  const offered = [...lockServices, ...securityServices.filter(({ role }) => manifest.daemons[role])];
  return `#!/bin/sh
# Written by mounter prepare. mount.nfs(8) runs this when an NFSv3 mount with locks finds no rpc.statd.
PATH=/usr/sbin:/usr/bin:/sbin:/bin; export PATH
umask 022
cd /
# A mounter that runs mount.nfs has a pipe here, is told, and has this script started as root, where there is a /run
# and a /proc: mount.nfs has neither, and may do little. After a failure it asks for rpc.statd again, for 10 s.
if [ ! -e /proc/self/fd ] || [ -p /proc/self/fd/3 ]; then
  echo >&3
  exit 1
fi 2>/dev/null
# What a daemon does with each descriptor it might have would take minutes at a limit of a thousand million.
ulimit -S -n 1024 2>/dev/null

# rpcinfo blocks every signal while it waits for an answer, for a minute perhaps: KILL alone ends it.
asked() { timeout --foreground -s KILL 3 "$@" >/dev/null 2>&1; }
${offered.map(({ role, question }) => `${role}_answers() { asked ${inShell(question)}; }`).join('\n')}
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
    read -r name <"$process/comm" && [ "$name" = "$1" ] && is_same net && is_ours || continue
    echo "\${process#/proc/}"
  done 2>/dev/null
}
is_same() { [ "$process/ns/$1" -ef "/proc/self/ns/$1" ]; }
# To look at a process's root directory asks the filesystem there, which anybody may have made, and which may not
# answer. So not in a user namespace of its own, where anybody can change root directories; and not in another mount
# namespace, such as a container's, where the mount at its root tells the same, and asks nobody. In that of process 1,
# where it is another than ours, nothing is ours, and anybody may have a thousand processes of that name.
is_ours() {
  [ ! -e /proc/self/ns/user ] || is_same user || return
  if is_same mnt; then [ "$process/root/." -ef /. ]; return; fi
  [ ! "$process/ns/mnt" -ef /proc/1/ns/mnt ] || return
  mount=$(root_mount "$process") && [ "$mount" = "$(root_mount /proc/self)" ]
}
root_mount() { # DIRECTORY of a process: the filesystem there, and what of it; fails where no mount begins there
  grep -E '^[0-9]+ [0-9]+ [0-9:]+ [^ ]+ / ' "$1/mountinfo" | {
    found=
    while read -r id parent device root rest; do found="$device $root"; done
    [ -n "$found" ] && echo "$found"
  }
}
# libtirpc 1.3.5 and newer ask rpcbind at this name first, where anybody may listen, and wait minutes for an answer. The
# guard of the rootfs's glusterfs, preloaded, keeps rpc.statd from that. Without one, whoever listens is named.
preloaded=
[ ! -L ${guardedProgram} ] || preloaded="env LD_PRELOAD=$(command -v glusterfs)"
in_the_way() {
  grep -q ' @/run/rpcbind.sock$' /proc/self/net/unix 2>/dev/null &&
    echo ': whoever listens on @/run/rpcbind.sock may be in its way, and ss -xlp names it'
}
end_ours() {
  kill $(ours "$1") 2>/dev/null || return 0
  for try in 1 2 3 4 5 6 7 8 9 10; do [ -n "$(ours "$1")" ] || return 0; sleep 0.1; done
  kill -KILL $(ours "$1") 2>/dev/null
  sleep 0.1 # Its files are closed, and their locks gone, a moment after.
}

# A daemon inherits nothing from the caller: no variables, no ignored signals, no descriptor but the messages'. Until it
# has gone to the background it has this limit.
daemon() {
  env -i --default-signal "PATH=$PATH" LC_ALL=C timeout --foreground -s KILL ${seconds} "$@" 9>&- </dev/null
}
background() {
  env -i --default-signal --ignore-signal=HUP,INT "PATH=$PATH" LC_ALL=C "$@" 9>&- </dev/null >/dev/null 2>&1 &
}
${serviceFunctions}
# A server keeps the locks that this node held before its reboot until sm-notify tells it. It does so once per
# boot, and before rpc.statd reads the state number that sm-notify raises. A second time it would make servers
# drop locks that are held now. /var/lib/nfs/. is the same directory and keeps sm-notify from
# /run/sm-notify.pid, which is the host's own: with that there, a host's run for its own servers counts as ours.
# Process 1 sees the volumes; a mount namespace of services does not.
holds_locks() { grep -hs ' - nfs .*vers=3' /proc/self/mountinfo /proc/1/mountinfo | grep -qv ',nolock'; }
notify_servers() {
  notified=${runDirectory}/sm-notify
  [ -e $notified ] && return
  if ! holds_locks && [ -x /usr/sbin/sm-notify ]; then
    daemon sm-notify -P /var/lib/nfs/. >/dev/null 2>&1 ||
      echo 'start-statd: sm-notify failed; servers may keep locks from before the reboot' >&2
  fi
  : >$notified || exit 1
}
# glibc reads it for rpc.statd and sm-notify, which are not root: without it no lock on a server with a name.
chmod a+r /etc/resolv.conf 2>/dev/null

${kerberosQuestions(manifest)}
# One at a time of each: the others wait, and then find everything running; NFSv3 waits for no KDC and no tlshd.
# Descriptor 9 stays out of the daemons. Whoever can open the file can hold the lock: root alone, as prepare has made
# the directory.
locks=${locksDirectory}
case "\${1-}" in
${securityServices.map(({ role }) => role).join(' | ')}) lock=$locks/start-$1 ;;
*) lock=$locks/start-statd ;;
esac
[ -d $locks ] || mkdir -m 0700 \${locks%/*} 2>/dev/null
[ -d $locks ] || mkdir -m 0700 $locks 2>/dev/null
exec 9>"$lock" || exit 1
flock -w ${seconds} 9 || { echo "start-statd: another start-statd holds $lock" >&2; exit 1; }

# mount.nfs gives no argument, and wants locks. Others name one daemon: ${offered.map(({ role }) => `start-statd ${role}`).join(', ')}.
wants() { [ -z "$1" ] || [ "$1" = "$2" ]; }
fail() { echo "start-statd: $1" >&2; exit 1; }
${offered.map((service) => startBlock(service, manifest)).join('')}exit 0
`;
}

/**
 * Asks twice, before a slow daemon is taken for a deaf one; where none listens, both fail at once. One that does not
 * answer may run: rpc.statd registers at its start alone, and an rpcbind that lost its list knows only a new one.
 */
function startBlock({ role, title, purpose }: Service, settings: ServiceSettings): string {
  const program = shellQuoted(programName(role, settings).slice(0, longestName));
  const isWanted = purpose === 'locks' ? `wants "\${1-}" ${role}` : `[ "\${1-}" = ${role} ]`;
  const {
    always,
    before,
    command = (own) => own,
    keeper,
    isForeground,
    isGuarded,
    isKeptToCommand,
    hint,
  } = serviceStarts[role];
  const { path = '', arguments: words = [] } = settings.daemons[role] ?? {};
  const argv = inShell(command([path, ...words], settings));
  const [begun, how] = [`${runDirectory}/started-${role}`, shellQuoted(argv)];
  const isOther = `[ "$(cat ${begun} 2>/dev/null)" = ${how} ] ||`;
  return `${always === undefined ? '' : `\n! ${isWanted} || ${always(settings)}`}${isKeptToCommand ? `\n! ${isWanted} || ${isOther} end_ours ${program}` : ''}
if ${isWanted} && ! ${role}_answers && ! ${role}_answers; then
${keeper === undefined ? '' : `end_ours ${keeper}\n`}end_ours ${program}
${before === undefined ? '' : `${before(settings)}\n`}${isForeground ? 'background' : 'daemon'} ${isGuarded ? '$preloaded ' : ''}${argv} || {
  end_ours ${program}
  fail "${title} does not start${hint?.(settings) ?? ''}$(in_the_way)"
}
wait_until ${role}_answers || fail '${title} does not answer'
${isKeptToCommand ? `(umask 077; printf %s ${how} >${begun})\n` : ''}fi
`;
}

/** /proc/PID/comm has at most 15 bytes of a program's name. */
const longestName = 15;

function inShell(argv: readonly string[]): string {
  return argv.map(shellQuoted).join(' ');
}
