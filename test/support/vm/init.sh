#!/bin/bash
# The guest's first process, started by /init of the image. Runs the command and powers off.
# An argument of the kernel's command line.
[ "${VM_INIT:-}" != systemd ] || exec /bin/bash /host/test/support/vm/systemd/init.sh
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root
# The output is a terminal line, yet nobody sees colours on it.
export TERM=dumb NO_COLOR=1

mount -t sysfs sysfs /sys
mount -t tmpfs -o mode=0755 tmpfs /run
mount -t tmpfs tmpfs /tmp
mkdir -p /dev/pts /dev/shm /run/lock
mount -t devpts -o gid=5,mode=620,ptmxmode=666 devpts /dev/pts
mount -t tmpfs tmpfs /dev/shm
ln -s /proc/self/fd /dev/fd
mount -t hostfs -o /dev/shm/control none /control
# ava remembers failed tests there.
mount -t tmpfs tmpfs /host/node_modules/.cache
hostname node
ip link set lo up
# What a distribution loads by itself; everything else is loaded on demand.
modprobe fuse

# The output's own line, byte for byte: no echo, no carriage returns.
stty raw -echo </dev/ttyS0
# In a session of its own, so that the line does not become the command's controlling terminal.
setsid --wait /bin/bash /control/command </dev/null >/dev/ttyS0 2>&1
echo $? >/control/status
# Only this: a server that is being torn down may keep all of sync(2) waiting.
sync -f /control/status
echo o >/proc/sysrq-trigger
sleep 60
