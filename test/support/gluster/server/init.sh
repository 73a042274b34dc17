#!/bin/sh
# The init of a GlusterFS server: process 1 of a pid namespace, alone in its mount namespace.
# usage: init.sh ROOTFS BRICKS ADDRESS PREFIX-LENGTH VOLUME...
#   BRICKS  the directory to hold the files; `-` for one in memory
# It says `ready` on stdout, lives as long as its stdin is open, and takes everything along when it ends.
set -eu
rootfs=$1 bricks=$2 address=$3 prefix_length=$4
shift 4

fail() {
  echo "$*" >&2
  exit 1
}

# The rootfs becomes the root and the machine's own mounts go: a namespace that kept copies of them
# would keep alive what is unmounted outside.
mount --bind "$rootfs" "$rootfs"
cd "$rootfs"
mount -t proc proc proc
mount -t tmpfs -o mode=755 tmpfs dev
for device in null zero random urandom; do
  : >"dev/$device"
  mount --bind "/dev/$device" "dev/$device"
done
# All state is in memory, and gone with the namespace. tmpfs has the trusted.* attributes that bricks need.
for directory in bricks run tmp var/lib/glusterd var/log/glusterfs; do
  mount -t tmpfs -o mode=755 tmpfs "$directory"
done
if [ "$bricks" != - ]; then mount --bind "$bricks" bricks; fi
mkdir run/gluster
pivot_root . old
cd /
umount -l /old
mount -o remount,bind,ro /

export PATH=/usr/sbin:/usr/bin:/sbin:/bin
ip link set lo up
# In a network namespace that is not ours the address may be there already, and is then left there.
if ! ip -o address show dev lo | grep -qF " $address/"; then
  ip address add "$address/$prefix_length" dev lo
  trap 'ip address delete "$address/$prefix_length" dev lo' EXIT
fi

case $address in
*:*) family=inet6 ;;
*) family=inet ;;
esac
# Bound to its address alone, so that several can share a network namespace; bricks follow.
glusterd -p /run/glusterd.pid --xlator-option "management.transport.address-family=$family" \
  --xlator-option "management.transport.socket.bind-address=$address" ||
  fail "glusterd did not start: $(grep -h '\] E \[' /var/log/glusterfs/glusterd.log | head -n 3)"
for volume; do
  mkdir "/bricks/$volume"
  # force: a brick at the root of a mount is refused otherwise.
  gluster --mode=script volume create "$volume" "$address:/bricks/$volume" force >/run/output 2>&1 ||
    fail "$(cat /run/output)"
  gluster --mode=script volume start "$volume" >/run/output 2>&1 || fail "$(cat /run/output)"
done
echo ready

# A background job's stdin is /dev/null, hence the copy; wait also reaps the daemons that end.
exec 3<&0
cat <&3 >/dev/null &
wait $!
