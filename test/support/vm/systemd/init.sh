#!/bin/bash
# The guest's first process where a test wants systemd: makes ready what is the harness's, then becomes
# systemd. The guest's disk lives through its reboots, and /run does not, like those of any machine.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

mount -t hostfs -o /dev/shm/control none /control
# ava remembers failed tests there.
mount -t tmpfs tmpfs /host/node_modules/.cache
mount -t tmpfs -o mode=0755 tmpfs /run
hostname node

boot=$(($(cat /control/boot 2>/dev/null || echo 0) + 1))
echo "$boot" >/control/boot

units=/run/systemd/system
mkdir -p $units/multi-user.target.wants
cp /host/test/support/vm/systemd/vm-command.service $units/
ln -s ../vm-command.service $units/multi-user.target.wants/
# Nobody logs in, and the console is a file: each of these would only take time.
for unit in getty.target systemd-logind.service systemd-timesyncd.service systemd-update-utmp.service \
  systemd-random-seed.service systemd-ask-password-console.path systemd-ask-password-wall.path \
  systemd-journal-catalog-update.service systemd-udevd.service ldconfig.service timers.target; do
  ln -s /dev/null $units/$unit
done
mkdir /run/systemd/system.conf.d
printf '[Manager]\nRebootWatchdogSec=off\n' >/run/systemd/system.conf.d/vm.conf
exec /lib/systemd/systemd
