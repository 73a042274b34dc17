#!/bin/sh
# One node, from nothing to mounted volumes and back: install, prepare, mount as kubelet does, write, read,
# status, unmount, teardown. Runs in a mount namespace of its own: unshare --mount --propagation private.
# usage: node.sh MOUNTER ROOTFS_TAR (TYPE OPTIONS SOURCE)...
set -eu
mounter=$1 tar=$2; shift 2

show() { printf '\n\033[1m# %s\033[0m\n' "$*"; }
run() { printf '$ %s\n' "$*"; "$@"; }

# The node's directories, empty: nothing of this machine is touched.
for directory in /home /var/lib /run /var/log; do mount -t tmpfs tmpfs "$directory"; done
mkdir /var/lib/kubelet
home=/home/kubernetes/containerized_mounter
volumes=/var/lib/kubelet/pods/3f1c9d1e-demo/volumes

show 'install the storage tools, as the node gets them'
run "$mounter" install "$tar"
show 'prepare the node, as at boot'
"$home/mounter" prepare >/run/prepared; tail -1 /run/prepared

number=0
while [ $# -gt 0 ]; do
  type=$1 options=$2 source=$3; shift 3
  number=$((number + 1)); target=$volumes/kubernetes.io~$type/volume-$number
  # kubelet makes both.
  mkdir -p "$target" /var/lib/kubelet/plugins/kubernetes.io/glusterfs/demo
  show "mount $source, as kubelet calls it"
  run "$home/mounter" mount -t "$type" -o "$options" "$source" "$target"
  grep " $target " /proc/self/mountinfo | sed 's/.* - /on the host: /'
  echo "written through volume-$number" >"$target/hello"
  printf '$ cat %s\n' "$target/hello"; cat "$target/hello"
  case $type,$options in nfs,*vers=3*) run flock -w 2 "$target/hello" echo 'a lock over the network was granted';; esac
done

show 'status'
run "$home/mounter" status
show 'unmount, as kubelet does it: with the host'\''s own umount'
for target in "$volumes"/*/*; do run umount "$target"; done
run "$home/mounter" teardown
if grep -q kubelet /proc/self/mountinfo; then echo 'something is still mounted' >&2; exit 1; fi
echo 'nothing is left mounted'
