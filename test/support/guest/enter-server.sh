#!/bin/bash
# Runs a command on the server's side: with /server as its root, a /tmp and a /var/lib/nfs of its own, and
# none of the node's mounts, since a copy of a volume's mount would keep the volume busy after its unmount.
#
# usage: unshare --mount … enter-server.sh RUN SRV COMMAND…
#   RUN  the directory to be /run; `-` for an empty one
#   SRV  the directory to be /srv; `-` for none
set -eu
run=$1 srv=$2
shift 2

mount --bind /server /server
cd /server
mount -t proc proc proc
mount --rbind /dev dev
mount -t tmpfs -o mode=1777 tmpfs tmp
if [ "$run" = - ]; then mount -t tmpfs -o mode=755 tmpfs run; else mount --bind "$run" run; fi
mkdir -p run/lock run/rpcbind
if [ "$srv" != - ]; then mount --bind "$srv" srv; fi

mount -t tmpfs -o mode=755 tmpfs var/lib/nfs
mkdir -p var/lib/nfs/{sm,sm.bak,v4recovery,nfsdcld,rpc_pipefs}
touch var/lib/nfs/{state,etab,rmtab}
chmod 700 var/lib/nfs/{sm,sm.bak}
# statd gives up root for the owner of this directory; 102 is statd in the server's passwd.
chown 102:65534 var/lib/nfs var/lib/nfs/{sm,sm.bak,state}

pivot_root . mnt
cd /
umount -l /mnt
exec "$@"
