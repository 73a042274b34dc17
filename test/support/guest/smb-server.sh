#!/bin/bash
# Starts Samba's smbd and ends. Runs by way of enter-server.sh. Starting again after a stop is fine.
#
# Environment: LEAST_PROTOCOL as in smb.conf(5); USERS, a line NAME:PASSWORD for each
set -eu
mkdir -p /run/samba
cat >/run/samba/smb.conf <<END
[global]
  workgroup = TEST
  server role = standalone server
  server min protocol = $LEAST_PROTOCOL
  map to guest = never
  passdb backend = smbpasswd:/run/samba/smbpasswd
  private dir = /run/samba
  lock directory = /run/samba
  state directory = /run/samba
  cache directory = /run/samba
  pid directory = /run/samba
  ncalrpc dir = /run/samba/ncalrpc
  log file = /run/samba/log
  load printers = no
  printcap name = /dev/null
  disable spoolss = yes
[vol1]
  path = /srv/vol1
  read only = no
[vol2]
  path = /srv/vol2
  read only = no
[readonly]
  path = /srv/readonly
[secret]
  path = /srv/secret
  valid users = bob
END
if ! mountpoint -q /etc/passwd; then
  cp /etc/passwd /run/passwd
  uid=1000
  while IFS=: read -r user _; do
    echo "$user:x:$((uid++)):65534::/:/usr/sbin/nologin" >>/run/passwd
  done <<<"${USERS%$'\n'}"
  mount --bind /run/passwd /etc/passwd
fi
while IFS=: read -r user password; do
  printf '%s\n%s\n' "$password" "$password" | smbpasswd -c /run/samba/smb.conf -L -a -s "$user" >/dev/null
done <<<"${USERS%$'\n'}"
smbd --configfile=/run/samba/smb.conf --daemon
until bash -c ': </dev/tcp/127.0.0.1/445' 2>/dev/null; do sleep 0.05; done
