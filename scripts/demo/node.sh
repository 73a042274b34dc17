#!/bin/sh
# One node, from nothing to mounted volumes and back: install, prepare, mount as kubelet does, write, read,
# status, a mount that fails, unmount, teardown. Runs in a mount namespace of its own: unshare --mount
# --propagation private. usage: node.sh MOUNTER ROOTFS_TAR (TYPE OPTIONS SOURCE)...
# DEMO_BOLD and DEMO_PLAIN are what makes a terminal's text bold, and plain again.
set -eu
mounter=$1 tar=$2; shift 2

title() { printf '\n%s# %s%s\n' "${DEMO_BOLD-}" "$*" "${DEMO_PLAIN-}"; }
show() { printf '$ %s\n' "$*"; }
run() { show "$@"; "$@"; }

# The node's directories, empty: nothing of this machine is touched.
for directory in /home /var/lib /run /var/log; do mount -t tmpfs tmpfs "$directory"; done
mkdir -p /var/lib/kubelet /var/lib/kubelet/plugins/kubernetes.io/glusterfs/demo
home=/home/kubernetes/containerized_mounter
volumes=/var/lib/kubelet/pods/demo/volumes
PATH=$home:$PATH

cd "$(dirname "$tar")"
title 'Install the storage tools: a node gets these files and nothing else'
show "./mounter install $(basename "$tar")"; "$mounter" install "$tar"
title 'Prepare the node, as at each boot'
show mounter prepare; mounter prepare >/run/prepared; tail -1 /run/prepared

number=0
while [ $# -gt 0 ]; do
  type=$1 options=$2 source=$3; shift 3
  number=$((number + 1)); target=$volumes/kubernetes.io~$type/volume-$number
  mkdir -p "$target"
  case $options in *nfsvers=*) what=NFSv${options##*nfsvers=};; *) what=GlusterFS;; esac
  title "Mount $source by $what, in kubelet's words"
  run mounter mount -t "$type" -o "$options" "$source" "$target"
  grep " $target " /proc/self/mountinfo | sed 's/.* - \([^ ]* [^ ]*\) .*/the host sees: \1/'
  echo "written through volume-$number" >"$target/hello"
  run cat "$target/hello"
  case $type,$options in nfs,*vers=3*) run flock -w 2 "$target/hello" echo 'a lock over the network was granted';; esac
done

title 'What runs and what is mounted'
run mounter status
title 'A failure says what is wrong, and what to do'
mkdir -p "$volumes/wrong"
wrong=$(echo "$source" | sed 's/[^:/]*$/nosuch/')
show mounter mount -t "$type" "$wrong" "$volumes/wrong"
if mounter mount -t "$type" "$wrong" "$volumes/wrong" 2>&1; then echo 'that was expected to fail' >&2; exit 1; fi
title 'Unmount with the host'\''s own umount, and undo it all'
for target in "$volumes"/*/*; do run umount "$target"; done
run mounter teardown
if grep -q kubelet /proc/self/mountinfo; then echo 'something is still mounted' >&2; exit 1; fi
echo 'nothing is left mounted'
