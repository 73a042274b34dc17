#!/bin/sh
# Boots the guest and ends with it. Runs as the first process of a pid namespace and in a mount namespace of
# its own: whatever kills it takes the whole guest along (UML leaves processes behind otherwise), and its
# files, all on one tmpfs, vanish with the last process.
#
# usage: boot.sh BUILD REPOSITORY MEMORY CPU INIT BOOTS <COMMAND >OUTPUT 2>CONSOLE 3>STATUS
# Fixed names below /dev/shm keep spaces and commas of real paths away from UML's and hostfs's option lists.
set -eu
build=$1 repository=$2 memory=$3 cpu=$4 init=$5 boots=$6

mount -t tmpfs -o mode=0700 tmpfs /dev/shm
cd /dev/shm
mkdir build host control uml
mount --bind "$build" build
mount --rbind "$repository" host
cat >control/command
echo "$boots" >control/boots

# UML loses track of what it has copied on write when it boots anew from the same pair of files: a disk that is
# to live through a reboot is a copy of its own.
disk=/dev/shm/cow,/dev/shm/build/disk.img
if [ "$boots" -gt 1 ]; then
  cp --sparse=always build/disk.img disk.img
  disk=/dev/shm/disk.img
fi

# UML writes messages of its own to descriptor 1; only the guest's first serial line is the output.
exec 4>&1 1>&2
# One CPU, since UML hands over between two processes at every guest system call. In real time, or a compiler running next
# to it makes a server start too slow for the tests' limits; niceness counts within a session alone: sched(7).
chrt --rr 1 true 2>/dev/null && first='chrt --rr 1' || first='nice -n -10'
taskset -c "$cpu" $first env LD_LIBRARY_PATH=/dev/shm/build/lib TMPDIR=/dev/shm \
  build/linux umid=vm uml_dir=/dev/shm/uml/ "ubd0=$disk" \
  "mem=${memory}M" root=/dev/ubda rw init=/init "VM_INIT=$init" seccomp=auto quiet loglevel=3 \
  con=null con0=null,fd:2 ssl=null ssl0=null,fd:4 </dev/null 3>&- || :
cat control/status >&3 2>/dev/null || :
