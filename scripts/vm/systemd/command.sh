#!/bin/bash
# Runs the command, in each of BOOTS boots; then the guest reboots, and after the last or a failed one it
# powers off.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root
export TERM=dumb NO_COLOR=1
export BOOT
BOOT=$(cat /control/boot)
boots=$(cat /control/boots)

stty raw -echo </dev/ttyS0
setsid --wait /bin/bash /control/command </dev/null >/dev/ttyS0 2>&1
status=$?
if [ "$status" = 0 ] && [ "$BOOT" -lt "$boots" ]; then
  systemctl --no-block reboot
else
  echo "$status" >/control/status
  systemctl --no-block poweroff
fi
