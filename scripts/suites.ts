/** The test suites in the order they run: cheap ones first. `npm test` runs all, `npm test NAME…` some. */
export interface Suite {
  readonly name: string;
  readonly files: readonly string[];
  /** Where it runs: on this machine, or inside the test VM with a real NFS client and server. */
  readonly place: 'machine' | 'vm';
  /** One file after the other. */
  readonly isSerial?: true;
  /** In the VM: Debian's systemd is process 1, and each of the files runs in a boot of its own, in this order. */
  readonly init?: 'systemd';
  /** What it needs to have been built. */
  readonly needs: readonly (
    | 'build'
    | 'rootfs'
    | 'nodeAgentImage'
    | 'vm'
    | 'glusterServer'
    | 'dockerRegistry'
    | 'containerRuntime'
    | 'containerRuntimeInVm'
    | 'testPrograms'
  )[];
}

export const suites: readonly Suite[] = [
  { name: 'unit', files: ['test/unit/**/*.test.ts'], place: 'machine', needs: [] },
  {
    name: 'system',
    files: ['test/system/**/*.test.ts'],
    place: 'machine',
    needs: ['build', 'rootfs', 'nodeAgentImage', 'glusterServer', 'dockerRegistry', 'vm'],
  },
  {
    // By itself: it takes all of the machine, and others have limits to keep.
    name: 'storm',
    files: ['test/storm/**/*.test.ts'],
    place: 'machine',
    isSerial: true,
    needs: ['build', 'rootfs', 'glusterServer'],
  },
  {
    name: 'faults',
    files: ['test/faults/**/*.test.ts'],
    place: 'machine',
    isSerial: true,
    needs: ['build', 'rootfs', 'glusterServer'],
  },
  {
    // By itself: kubelet's probes and restarts have their times.
    name: 'fleet',
    files: ['test/fleet/*.test.ts'],
    place: 'machine',
    isSerial: true,
    needs: ['build', 'rootfs', 'nodeAgentImage', 'glusterServer', 'dockerRegistry', 'containerRuntime'],
  },
  {
    name: 'vm',
    files: ['test/vm/**/*.test.ts'],
    place: 'vm',
    needs: ['build', 'rootfs', 'vm', 'testPrograms'],
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
];
