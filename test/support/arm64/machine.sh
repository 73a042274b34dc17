#!/bin/bash
# Process 1 of a node of arm64: what a distribution does at its boot, and then what is tried there, to its end.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t tmpfs -o mode=0755 tmpfs /run
mount -t tmpfs tmpfs /tmp
mkdir -p /dev/pts /dev/shm /run/lock
mount -t devpts -o gid=5,mode=620,ptmxmode=666 devpts /dev/pts
mount -t tmpfs tmpfs /dev/shm
ln -s /proc/self/fd /dev/fd
mount --make-rshared /
hostname node
ip link set lo up
modprobe fuse
setsid --wait bash /host/node.sh </dev/null
echo "status $?"
echo o >/proc/sysrq-trigger
sleep 60
