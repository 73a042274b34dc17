#!/bin/bash
# Runs the command, in each of BOOTS boots; then the guest reboots, and after the last or a failed one it
# powers off. A command that leaves /run/power-loss gets a reboot without a shutdown: what is on the disk is all
# that is left.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root
export TERM=dumb NO_COLOR=1
export BOOT
BOOT=$(cat /control/boot)
boots=$(cat /control/boots)

stty raw -echo </dev/ttyS0
setsid --wait /bin/bash /control/command </dev/null >/dev/ttyS0 2>&1
status=$?
if [ "$status" = 0 ] && [ "$BOOT" -lt "$boots" ]; then
  if [ -e /run/power-loss ]; then systemctl --force --force reboot; fi
  systemctl --no-block reboot
else
  echo "$status" >/control/status
  systemctl --no-block poweroff
fi
