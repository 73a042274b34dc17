#!/bin/busybox sh
# /init of the first file system: loads what the disk needs, and goes on there. The second disk is a tar of what is tried.
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
while read -r module; do insmod "/modules/$module"; done </modules/order
mount -t ext4 /dev/vda /node
tar -xf /dev/vdb -C /node/host
mount -t devtmpfs dev /node/dev
umount /proc /sys
exec switch_root /node /bin/bash /host/machine.sh
