#!/bin/bash
# /init of the image: only what is needed to reach the repository, so that the image seldom changes.
mount -t proc proc /proc
# User Mode Linux 7.2 loses count of the pages of a ring when a process that has one forks, as Node.js does.
echo 2 >/proc/sys/kernel/io_uring_disabled
mount -t hostfs -o ro,/dev/shm/host none /host
exec /bin/bash /host/test/support/vm/init.sh
