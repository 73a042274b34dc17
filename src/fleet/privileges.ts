/** What the DaemonSet may do, and the comments of the printed YAML that say why. */

/** Each is needed: test/fleet/ready.test.ts runs the agent with these and no others. */
export const capabilities: readonly string[] = [
  'SYS_ADMIN',
  'SYS_CHROOT',
  'SYS_PTRACE',
  'CHOWN',
  'DAC_OVERRIDE',
  'FOWNER',
  'MKNOD',
  'KILL',
];

/** What the driver needs beside: a helper that it starts is given less than it has itself. */
export const driverCapabilities: readonly string[] = ['SETUID', 'SETGID', 'SETPCAP', 'NET_BIND_SERVICE'];

/** What tlshd needs: whoever has it can change the network of the host, whose namespace the mounts are made in. */
export const tlsCapabilities: readonly string[] = ['NET_ADMIN'];

export const comments = {
  noToken: 'The agent never talks to the API server.',
  namespace: "Of the Pod Security levels only this one lets a Pod use the host's process ids.",
  settings: `The settings of every node, laid over the image's own: enabled, enter, limits, policy, resolver, log; and of
filesystems those that no node mounts, as null, and readAheadKib. Nothing that chooses a program, a mount or a path is taken from here.`,
  gate: `The gate of all nodes; obeyed as soon as kubelet brings it, in a minute or two, before all else, whatever fails.
on: mounts work. off: the host's own tools are left; volumes that are mounted stay. removed: off, and what was
prepared is undone, once no volume is mounted. Without this object it is on.`,
} as const;

const capabilityReasons = `SYS_ADMIN: to enter the host's namespaces (mount, network, UTS and IPC), and for the mounts of prepare there.
SYS_CHROOT: to enter a mount namespace, and to try the helpers of a new rootfs in a chroot.
SYS_PTRACE: to open the namespaces of process 1, which has more capabilities than this container.
CHOWN, DAC_OVERRIDE, FOWNER: to unpack the rootfs with its owners and modes.
MKNOD: for the few devices that a helper sees, /dev/null and /dev/fuse among them.
KILL: to end rpc.statd, which is a user of its own, when the mounter is removed.`;

const driverCapabilityReasons = `SETUID, SETGID, SETPCAP: to start the helper of a mount as a user of its own, with no capability that it does
not need.
NET_BIND_SERVICE: servers of NFS take calls from ports below 1024.`;

const tlsCapabilityReason =
  'NET_ADMIN: for tlshd, to which the kernel leaves the handshakes of NFS with TLS.';

/**
 * The comments of the DaemonSet, by path.
 * @param request the fields of a DaemonSetRequest that a comment depends on.
 */
export function containerComments(request: {
  readonly tolerations: unknown;
  readonly csi: readonly string[];
  readonly tls: boolean;
  readonly kubernetesMinor: number;
  readonly selinuxType: string | undefined;
}): Readonly<Record<string, string>> {
  const pod = 'spec.template.spec';
  const context = `${pod}.containers.securityContext`;
  return {
    'spec.updateStrategy': `A new image goes to so many nodes at a time; the next ones follow when these are ready.
Volumes that are mounted stay mounted: their daemons go on in the version that they began with. To roll
back: kubectl rollout undo, or the manifest of the image before.`,
    ...(request.tolerations === undefined
      ? { [`${pod}.tolerations`]: 'Every node that may run a Pod with volumes, whatever its taints.' }
      : {}),
    [`${pod}.priorityClassName`]:
      'A node without it mounts no NFS or GlusterFS volume: it is neither evicted nor left out where a node is full.',
    [`${pod}.hostPID`]: `For /proc/1/ns: the tools have to be mounted in the host's mount namespace, or neither kubelet nor any
other container would see them. No hostPath is needed, no hostNetwork, and nothing listens.`,
    [`${pod}.containers.readinessProbe`]:
      'Ready: on the host, mounts would work; or the node is turned off on purpose. It reads what the agent has\nfound out last, and asks nobody: what it says begins with what fails.',
    [`${pod}.containers.resources`]: `Measured: at rest 46 MB and 1.5m, a round every 10 min included. An install, which is once for an image, takes\na processor for some seconds, and memory for the page cache of what it unpacks.`,
    [`${context}.privileged`]:
      'Not privileged: no devices, and no capability but these. With SYS_ADMIN and hostPID it can still\ndo on the host what root can: guard who may change this object.',
    [`${context}.allowPrivilegeEscalation`]: 'Kubernetes allows no other value beside SYS_ADMIN.',
    [`${context}.readOnlyRootFilesystem`]:
      'All that it writes on its own is the merged manifest and what the probe reads, to a directory in memory.',
    [`${context}.capabilities`]: [
      capabilityReasons,
      ...(request.csi.length === 0 ? [] : [driverCapabilityReasons]),
      ...(request.tls ? [tlsCapabilityReason] : []),
    ].join('\n'),
    [`${context}.seccompProfile`]:
      "The runtime's default allows mount(2) and setns(2) to those who have SYS_ADMIN.",
    ...(request.selinuxType === undefined
      ? {}
      : {
          [`${context}.seLinuxOptions`]:
            'The type of other containers may neither mount nor enter namespaces.',
        }),
    ...(request.kubernetesMinor >= 30
      ? { [`${context}.appArmorProfile`]: "The runtime's AppArmor profile forbids mount(2) altogether." }
      : {
          'spec.template.metadata.annotations': "The runtime's AppArmor profile forbids mount(2) altogether.",
        }),
  };
}
