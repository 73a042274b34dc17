/** What is built or fetched for tests. */
export type Need =
  | 'build'
  | 'arm64'
  | 'rootfs'
  | 'smbRootfs'
  | 'testPrograms'
  | 'vm'
  | 'nodeAgentImage'
  | 'glusterServer'
  | 'dockerRegistry'
  | 'cosign'
  | 'promtool'
  | 'containerRuntime'
  | 'containerRuntimeInVm';

/**
 * The test suites, in the order in which those of one place run. `npm test` runs all but those for a release,
 * `npm test NAME…` some.
 */
export interface Suite {
  readonly name: string;
  readonly files: readonly string[];
  /** Where it runs: on this machine, or inside the test VM with a real NFS client and server. */
  readonly place: 'machine' | 'vm';
  /** One file after the other. */
  readonly isSerial?: true;
  /** When all others are over: it takes all of the machine, and has limits to keep. */
  readonly isAlone?: true;
  /** Where it is named alone, as before a release: it takes longer than all others. */
  readonly isForRelease?: true;
  /** In the VM: Debian's systemd is process 1, and each of the files runs in a boot of its own, in this order. */
  readonly init?: 'systemd';
  /** What it needs to have been built. */
  readonly needs: readonly Need[];
}

export const suites: readonly Suite[] = [
  { name: 'unit', files: ['test/unit/**/*.test.ts'], place: 'machine', needs: [] },
  {
    name: 'vm',
    files: ['test/vm/**/*.test.ts'],
    place: 'vm',
    needs: ['build', 'rootfs', 'smbRootfs', 'testPrograms', 'vm', 'glusterServer'],
  },
  {
    // It waits for kubelet's probes and restarts: early, beside what needs the CPUs.
    name: 'fleet',
    files: ['test/fleet/*.test.ts'],
    place: 'machine',
    isSerial: true,
    needs: ['build', 'rootfs', 'nodeAgentImage', 'glusterServer', 'dockerRegistry', 'containerRuntime'],
  },
  {
    name: 'system',
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
      'promtool',
      'vm',
    ],
  },
  {
    name: 'faults',
    files: ['test/faults/**/*.test.ts'],
    place: 'machine',
    needs: ['build', 'rootfs', 'glusterServer'],
  },
  {
    name: 'systemd',
    files: ['first-boot', 'second-boot', 'third-boot', 'readme'].map(
      (boot) => `test/systemd/${boot}.test.ts`,
    ),
    place: 'vm',
    init: 'systemd',
    needs: ['build', 'rootfs', 'vm', 'glusterServer'],
  },
  {
    name: 'fleet-systemd',
    files: ['test/fleet/systemd/update.test.ts'],
    place: 'vm',
    init: 'systemd',
    needs: ['build', 'rootfs', 'nodeAgentImage', 'vm', 'glusterServer', 'containerRuntimeInVm'],
  },
  {
    name: 'storm',
    files: ['test/storm/**/*.test.ts'],
    place: 'machine',
    isSerial: true,
    isAlone: true,
    needs: ['build', 'rootfs', 'glusterServer'],
  },
  { name: 'arm64', files: ['test/arm64/*.test.ts'], place: 'machine', isForRelease: true, needs: ['arm64'] },
];
