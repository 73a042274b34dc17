#!/bin/bash
# Starts the daemons of an NFS server and ends. Runs by way of enter-server.sh, in a network namespace of the
# server's own: which versions nfsd offers is a property of that. Starting again after a stop is fine.
#
# Environment: VERSIONS is 3, 4 or 3,4; EXPORTS as in exports(5)
set -eu
case ,$VERSIONS, in *,3,*) without_v3= ;; *) without_v3='-N 3' ;; esac
case ,$VERSIONS, in *,4,*) without_v4= ;; *) without_v4='-N 4' ;; esac

printf '%s' "$EXPORTS" >/run/exports
mountpoint -q /etc/exports || mount --bind /run/exports /etc/exports
mountpoint -q /proc/fs/nfsd || mount -t nfsd nfsd /proc/fs/nfsd

if [ -z "$without_v3" ]; then
  rpcbind -w
  rpc.statd --no-notify
fi
# With nfsdcld and no client on record the server skips its grace period, in which it refuses every open. nfsd
# looks for it for a second, also when it offers v3 alone.
mountpoint -q /var/lib/nfs/rpc_pipefs || mount -t rpc_pipefs rpc_pipefs /var/lib/nfs/rpc_pipefs
nfsdcld
exportfs -ra
# shellcheck disable=SC2086 # an option with its argument, or nothing
rpc.nfsd $without_v3 $without_v4 --grace-time 10 --lease-time 10 4
# shellcheck disable=SC2086
rpc.mountd $without_v3 $without_v4
# The lock manager has a grace period of its own.
if [ -z "$without_v3" ]; then echo Y >/proc/fs/lockd/nlm_end_grace; fi
