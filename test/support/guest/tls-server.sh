#!/bin/bash
# Starts the daemons of an NFS server with TLS and ends: those of Debian 13 that Debian 12 has not, by the loader and the
# libraries of their own. Runs by way of enter-server.sh. Starting again after a stop is fine.
#
# Environment: TREES has the trees of Debian, as the guest's hostfs has them; EXPORTS as in exports(5); OTHER is not empty
# for NFS-Ganesha, which has no TLS
set -eu
mountpoint -q /mnt || mount -t hostfs -o ro,/dev/shm/host none /mnt

debian13() { # PROGRAM ARGUMENT…
  local program=$1 tree=/mnt/$TREES/trixie
  shift
  $tree/lib64/ld-linux-x86-64.so.2 --library-path $tree/usr/lib/x86_64-linux-gnu $tree/usr/sbin/"$program" "$@"
}

wait_for() { # COMMAND…
  for _ in {1..100}; do
    if "$@" >/dev/null 2>&1; then return; fi
    sleep 0.1
  done
  echo "not there within 10 s: $*" >&2
  return 1
}
listens() { awk '$2 == 16 && $3 > 0 { found = 1 } END { exit !found }' /proc/net/netlink; }

rpcbind -w
if [ -n "${OTHER-}" ]; then
  tree=/mnt/$TREES/bookworm
  libraries=$tree/usr/lib/x86_64-linux-gnu
  mkdir -p /run/ganesha
  cat >/run/ganesha.conf <<END
NFS_CORE_PARAM { Protocols = 3, 4; Enable_NLM = false; Enable_RQUOTA = false; mount_path_pseudo = true; Plugins_Dir = "$libraries/ganesha"; }
NFSv4 { Graceless = true; RecoveryBackend = fs; RecoveryRoot = "/run/ganesha"; }
EXPORT_DEFAULTS { Access_Type = RW; Squash = No_Root_Squash; SecType = sys; }
EXPORT { Export_Id = 1; Path = /srv/any; Pseudo = /srv/any; FSAL { Name = VFS; } }
END
  $tree/lib64/ld-linux-x86-64.so.2 --library-path "$libraries:$tree/usr/lib/ganesha" $tree/usr/bin/ganesha.nfsd \
    -f /run/ganesha.conf -L /run/ganesha.log -p /run/ganesha.pid
  wait_for rpcinfo -t 127.0.0.1 nfs 4
else
  printf '%s' "$EXPORTS" >/run/exports
  mountpoint -q /etc/exports || mount --bind /run/exports /etc/exports
  mountpoint -q /proc/fs/nfsd || mount -t nfsd nfsd /proc/fs/nfsd
  mountpoint -q /var/lib/nfs/rpc_pipefs || mount -t rpc_pipefs rpc_pipefs /var/lib/nfs/rpc_pipefs
  rpc.statd --no-notify
  nfsdcld
  debian13 exportfs -ra
  rpc.nfsd --grace-time 10 --lease-time 10 4
  debian13 rpc.mountd
  echo Y >/proc/fs/lockd/nlm_end_grace
  cat >/run/tlshd.conf <<END
[debug]
loglevel=1
[authenticate.server]
x509.truststore=/srv/pki/ca.pem
x509.certificate=/srv/pki/server.pem
x509.private_key=/srv/pki/server.key
END
  debian13 tlshd --stderr --config /run/tlshd.conf </dev/null >/srv/tlshd.log 2>&1 &
  wait_for listens
fi
