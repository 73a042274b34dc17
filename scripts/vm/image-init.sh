#!/bin/bash
# /init of the image: only what is needed to reach the repository, so that the image seldom changes.
mount -t proc proc /proc
mount -t hostfs -o ro,/dev/shm/host none /host
exec /bin/bash /host/scripts/vm/init.sh
