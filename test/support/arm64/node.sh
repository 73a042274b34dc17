#!/bin/bash
# On a node of arm64: what an operator and kubelet do, with real servers beside it. The first that fails ends it.
set -eu
home=/home/kubernetes/containerized_mounter
volume=/var/lib/kubelet/pods/7a5c/volumes/volume
servers=()
trap 'kill -KILL "${servers[@]}" 2>/dev/null || true' EXIT

step() {
  echo "step $SECONDS s: $1"
  shift
  "$@"
}

# As test/support/guest/machine.ts starts one. usage: serve COMMAND…
serve() {
  local ready=/run/ready.${#servers[@]}
  # One lives as long as its stdin is open: written to by nobody, and never at its end.
  mkfifo "$ready" "$ready.open"
  setsid unshare --net --mount --pid --fork --kill-child=SIGKILL "$@" 0<>"$ready.open" >"$ready" &
  servers+=($!)
  [ "$(timeout 120 head -n 1 "$ready")" = ready ]
}

serve_nfs() {
  export VERSIONS=3,4 EXPORTS='/srv/vol1 *(rw,no_subtree_check,no_root_squash)'
  mkdir -p /server/data/files/vol1
  echo from-the-server >/server/data/files/vol1/file
  modprobe nfsd
  serve bash /host/guest/network.sh nfs-files 10.9.0.1/24 10.9.0.254/24 fd00:9:0::1/64 fd00:9:0::fe/64 \
    bash /host/guest/enter-server.sh - /server/data/files \
    bash -c "$(cat /host/guest/nfs-server.sh); echo ready; exec sleep infinity"
}

serve_gluster() {
  mkdir -p /server/bricks /server/old /bricks
  # What its package's script would have done.
  rm -rf /server/var/run
  ln -s /run /server/var/run
  serve bash /host/guest/network.sh gluster 10.9.3.1/24 10.9.3.254/24 fd00:9:3::1/64 fd00:9:3::fe/64 \
    sh /host/gluster/init.sh /server /bricks 10.9.3.1 32 vol
}

# usage: try TYPE OPTIONS SOURCE, as kubelet calls it; then a file is written and read, and locked.
try() {
  mkdir -p "$volume"
  "$home/mounter" mount -t "$1" -o "$2" "$3" "$volume"
  grep " $volume " /proc/self/mounts
  echo written >"$volume/new"
  [ "$(cat "$volume/new")" = written ]
  flock --timeout 20 "$volume/new" true
  umount "$volume"
  ! mountpoint -q "$volume"
}

# The front alone refuses it, and the full executable explains it.
refused() {
  ! "$home/mounter" mount -t nfs -o nfsvers=4.1,retry=0 10.9.0.1:/not-there "$volume" 2>/run/refused
  cat /run/refused
  grep -q 'No such file or directory' /run/refused
}

uname -rm
step 'servers' serve_nfs
step 'a volume of GlusterFS' serve_gluster
step 'install' /host/dist/mounter install /host/dist/rootfs.tar.zst
step 'prepare' "$home/mounter" prepare
step 'doctor' "$home/mounter" doctor
step 'NFSv3, with a lock' try nfs nfsvers=3 10.9.0.1:/srv/vol1
step 'NFSv4' try nfs nfsvers=4.2 10.9.0.1:/srv/vol1
step 'GlusterFS' try glusterfs log-level=ERROR 10.9.3.1:vol
step 'a mount that fails' refused
step 'status' "$home/mounter" status
step 'end' true
