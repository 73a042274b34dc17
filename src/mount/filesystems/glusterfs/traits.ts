import type { Host } from '../../../host/host.ts';
import { glusterfsPrograms, isProgram } from '../../../host/process-name.ts';
import { processesInAny } from '../../../rootfs/root-processes.ts';
import type { FilesystemDaemon, FilesystemTraits } from '../filesystem-driver.ts';
import { plainTraits } from '../plain.ts';

export const glusterfsTraits: FilesystemTraits = {
  ...plainTraits,
  kernelTypes: ['fuse.glusterfs'],
  // Those of mount.glusterfs(8), a shell script.
  calledPrograms: ['sh', 'glusterfs', 'sed', 'awk', 'cut', 'grep', 'stat', 'uname', 'wc'],
  saysVersion: true,
  isGuarded: true,
  writesTo: [{ path: '/var/log/glusterfs', user: 'the logs of glusterfs', full: 'warning' }],
  daemons: glusterfsDaemons,
};

/**
 * mount.glusterfs starts them as `glusterfs … --process-name fuse --volfile-server=SERVER --volfile-id=VOLUME TARGET`,
 * two for one mount with `auto_unmount`. Nobody else's command line is asked for: that of a stranger's process may keep
 * us waiting for ever.
 */
function glusterfsDaemons(host: Host, directories: readonly string[]): readonly FilesystemDaemon[] {
  const named = host.processes().filter((process) => isProgram(process, glusterfsPrograms));
  return processesInAny(host, directories, named).flatMap(({ pid }) => {
    const target = commandLineOf(host, pid).at(-1);
    return target === undefined ? [] : [{ pid, target }];
  });
}

function commandLineOf(host: Host, pid: number): readonly string[] {
  try {
    return host.readText(`/proc/${pid}/cmdline`)?.split('\0').slice(0, -1) ?? [];
  } catch {
    return []; // It has ended while we looked.
  }
}
