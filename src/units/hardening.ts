/**
 * What a unit can give up although its mounts have to reach the host, and its processes must not keep a copy of the
 * mount table. Everything that gives a service a mount namespace of its own is out, since systemd
 * makes that a slave of the host's: ProtectSystem=, ProtectHome=, PrivateTmp=, PrivateDevices=, PrivateIPC=,
 * ProtectProc=, ProtectKernelTunables=, ProtectKernelModules=, ProtectKernelLogs= and ProtectControlGroups=
 * (each was tried on systemd 252). So is MemoryDenyWriteExecute=: the executable compiles as it runs.
 *
 * The text is the same for each `enter`: the manifest of the next version may change that, and its first `prepare` is
 * run by the unit of the version before. So the rootfs's own mount namespace may be made and entered, and no other
 * kind of namespace ever.
 * @see systemd.exec(5)
 */
const common = [
  'NoNewPrivileges=yes',
  'RestrictNamespaces=mnt',
  'RestrictRealtime=yes',
  'RestrictSUIDSGID=yes',
  'LockPersonality=yes',
  'KeyringMode=private',
  'SystemCallArchitectures=native',
  'SystemCallFilter=~@clock @cpu-emulation @debug @module @obsolete @raw-io @reboot @swap',
  'SystemCallErrorNumber=EPERM',
];

/** Mounts, makes files in the rootfs, and looks at other processes' roots; no network. */
export const prepareHardening = [
  ...common,
  'RestrictAddressFamilies=AF_UNIX',
  'IPAddressDeny=any',
  'CapabilityBoundingSet=CAP_SYS_ADMIN CAP_SYS_CHROOT CAP_SYS_PTRACE CAP_DAC_OVERRIDE CAP_DAC_READ_SEARCH CAP_CHOWN CAP_FOWNER CAP_MKNOD',
];

/** Enters the rootfs, replaces a daemon that is deaf, and gives up root; no mounts. setns(2) wants CAP_SYS_ADMIN. */
export const lockServiceHardening = [
  ...common,
  'RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK',
  'CapabilityBoundingSet=CAP_SYS_ADMIN CAP_SYS_CHROOT CAP_SYS_PTRACE CAP_KILL CAP_DAC_OVERRIDE CAP_DAC_READ_SEARCH CAP_CHOWN CAP_FOWNER CAP_SETUID CAP_SETGID CAP_SETPCAP CAP_NET_BIND_SERVICE',
];

/**
 * Mounts, starts helpers as users of their own, and ends the daemons of dead volumes; what it starts, such as such a
 * daemon, has no more than it has. The capabilities are those of the DaemonSet's container, and the network's are a
 * helper's.
 */
export const driverHardening = [
  ...common,
  'RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK',
  'CapabilityBoundingSet=CAP_SYS_ADMIN CAP_SYS_CHROOT CAP_SYS_PTRACE CAP_CHOWN CAP_DAC_OVERRIDE CAP_DAC_READ_SEARCH CAP_FOWNER CAP_MKNOD CAP_KILL CAP_SETUID CAP_SETGID CAP_SETPCAP CAP_NET_BIND_SERVICE',
];

/** Looks at the node, each process of it and each volume, and tries what is in the rootfs; asks the lock services. */
export const metricsHardening = [
  ...common,
  'RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK',
  'CapabilityBoundingSet=CAP_SYS_ADMIN CAP_SYS_CHROOT CAP_SYS_PTRACE CAP_DAC_OVERRIDE CAP_DAC_READ_SEARCH',
];
