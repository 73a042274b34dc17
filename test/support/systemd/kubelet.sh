#!/bin/bash
# What a kubelet does with its Pods' volumes, and nothing else: calls the mounter as it does, reads its output to
# the end of the pipe, and tries again until each is mounted.
mounter=/home/kubernetes/containerized_mounter/mounter
pods=/var/lib/kubelet/pods

provide() { # TARGET COMMAND…
  local target=$1 output
  shift
  mkdir -p "$target"
  until mountpoint -q "$target"; do
    output=$("$@" "$target" 2>&1) || { echo "MountVolume.SetUp failed: $output"; sleep 0.5; }
  done
}

nfs=$pods/7a5c/volumes/kubernetes.io~nfs
glusterfs=$pods/7a5c/volumes/kubernetes.io~glusterfs/volume
log=/var/lib/kubelet/plugins/kubernetes.io/glusterfs/volume
mkdir -p "$log"
provide "$nfs/v4" "$mounter" mount -t nfs -o nfsvers=4.1 10.9.0.1:/srv/vol1
provide "$nfs/v3" "$mounter" mount -t nfs -o nfsvers=3 10.9.0.1:/srv/vol2
# A server without v4: mount.nfs finds out by itself.
provide "$nfs/old" "$mounter" mount -t nfs 10.9.1.1:/srv/vol1
provide "$glusterfs" systemd-run --description="Kubernetes transient mount for $glusterfs" --scope -- \
  "$mounter" mount -t glusterfs -o "auto_unmount,log-file=$log/7a5c-glusterfs.log,log-level=ERROR" 10.77.0.1:v1
touch /run/kubelet-like
exec sleep infinity
