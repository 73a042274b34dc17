/** What is built for tests. */
export type Build =
  | 'build'
  | 'arm64'
  | 'rootfs'
  | 'smbRootfs'
  | 'testPrograms'
  | 'nodeAgentImage'
  | 'imagesForVm';

/** What is fetched for them. */
export type Fetch =
  | 'vm'
  | 'glusterServer'
  | 'dockerRegistry'
  | 'cosign'
  | 'dpkgForVm'
  | 'tlsServer'
  | 'prometheus'
  | 'containerRuntime'
  | 'containerRuntimeForVm';

export type Need = Build | Fetch;

/**
 * The test suites, in the order in which those of one place begin. `npm test` runs all but those for a release,
 * `npm test NAME…` some.
 */
export interface Suite {
  readonly name: string;
  /** What is tried. */
  readonly about: string;
  /** How long it usually takes, on a quiet machine of two processors, beside what runs with it. */
  readonly minutes: number;
  readonly files: readonly string[];
  /** Where it runs: on this machine, or inside the test VM with a real NFS client and server. */
  readonly place: 'machine' | 'vm';
  /** One file after the other. */
  readonly isSerial?: true;
  /** When all others are over: it takes all of the machine, and has limits to keep. */
  readonly isAlone?: true;
  /** It runs only where it is named, as before a release. */
  readonly isForRelease?: true;
  /** What its tests find in their environment. */
  readonly environment?: Readonly<Record<string, string>>;
  /** In the VM: Debian's systemd is process 1, and each of the files runs in a boot of its own, in this order. */
  readonly init?: 'systemd';
  /** What it needs to have been built. */
  readonly needs: readonly Need[];
}

export const suites: readonly Suite[] = [
  {
    name: 'unit',
    about: 'every module by itself',
    minutes: 2,
    files: ['test/unit/**/*.test.ts'],
    place: 'machine',
    needs: [],
  },
  {
    name: 'vm',
    about: 'real NFS and SMB, in the test VM',
    minutes: 18,
    files: ['test/vm/**/*.test.ts'],
    place: 'vm',
    needs: ['build', 'rootfs', 'smbRootfs', 'testPrograms', 'tlsServer', 'vm', 'glusterServer'],
  },
  {
    // It waits for kubelet's probes and restarts, while others need the CPUs.
    name: 'fleet',
    about: 'the node agent, with containerd',
    minutes: 3,
    files: ['test/fleet/*.test.ts'],
    place: 'machine',
    isSerial: true,
    needs: ['build', 'rootfs', 'nodeAgentImage', 'glusterServer', 'dockerRegistry', 'containerRuntime'],
  },
  {
    name: 'system',
    about: 'the built executable on this machine, with real GlusterFS and registries',
    minutes: 16,
    files: ['test/system/**/*.test.ts'],
    place: 'machine',
    needs: [
      'build',
      'arm64',
      'rootfs',
      'nodeAgentImage',
      'glusterServer',
      'dockerRegistry',
      'cosign',
      'prometheus',
      'vm',
    ],
  },
  {
    name: 'faults',
    about: 'system calls that fail, one by one',
    minutes: 3,
    files: ['test/faults/**/*.test.ts'],
    place: 'machine',
    needs: ['build', 'rootfs', 'glusterServer'],
  },
  {
    name: 'systemd',
    about: 'README, the units and reboots, with systemd in the test VM',
    minutes: 3,
    files: ['first-boot', 'second-boot', 'third-boot', 'readme'].map(
      (boot) => `test/systemd/${boot}.test.ts`,
    ),
    place: 'vm',
    init: 'systemd',
    needs: ['build', 'rootfs', 'vm', 'glusterServer', 'dpkgForVm'],
  },
  {
    name: 'fleet-systemd',
    about: 'the node agent, with systemd in the test VM',
    minutes: 2,
    files: ['test/fleet/systemd/update.test.ts'],
    place: 'vm',
    init: 'systemd',
    needs: [
      'build',
      'rootfs',
      'nodeAgentImage',
      'vm',
      'glusterServer',
      'containerRuntimeForVm',
      'imagesForVm',
    ],
  },
  {
    name: 'storm',
    about: 'hundreds of calls at once',
    minutes: 1,
    files: ['test/storm/**/*.test.ts'],
    place: 'machine',
    isSerial: true,
    isAlone: true,
    needs: ['build', 'rootfs', 'glusterServer'],
  },
  {
    name: 'long',
    about: 'long tables of the suite system to their ends, and many rounds; for a release',
    minutes: 60,
    files: [
      'attach',
      'callers',
      'csi-survival',
      'damage',
      'doctor',
      'failing-prepares',
      'fleet-gate',
      'gate',
      'glusterfs-guard',
      'install',
      'install-image',
      'kubelet',
      'live-nodes',
      'many-servers',
      'node-settings',
      'prepare',
      'race',
      'registry',
      'rootfs',
      'scripts',
      'slow-registry',
      'two-callers',
      'versions',
    ].map((name) => `test/system/${name}.test.ts`),
    place: 'machine',
    isForRelease: true,
    environment: { LONG_RUN: 'yes' },
    needs: ['build', 'rootfs', 'nodeAgentImage', 'glusterServer', 'dockerRegistry'],
  },
  {
    name: 'long-vm',
    about: 'the same of the suite vm; for a release',
    minutes: 20,
    files: ['hints', 'lock-services', 'smb', 'tls', 'two-callers', 'unreachable', 'with-kerberos'].map(
      (name) => `test/vm/${name}.test.ts`,
    ),
    place: 'vm',
    isForRelease: true,
    environment: { LONG_RUN: 'yes' },
    needs: ['build', 'rootfs', 'smbRootfs', 'testPrograms', 'tlsServer', 'vm', 'glusterServer'],
  },
  {
    name: 'arm64',
    about: 'a node of arm64, in QEMU; for a release',
    minutes: 4,
    files: ['test/arm64/*.test.ts'],
    place: 'machine',
    isForRelease: true,
    needs: ['arm64'],
  },
  {
    name: 'release',
    about: 'a release made twice, by two users in two directories, byte for byte; for a release',
    minutes: 15,
    files: ['test/release/*.test.ts'],
    place: 'machine',
    isForRelease: true,
    needs: ['build', 'arm64', 'rootfs', 'dockerRegistry', 'cosign'],
  },
];
