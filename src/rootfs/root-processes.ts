import { type Host, isSameFile, type ProcessInformation } from '../host/host.ts';

/**
 * Those of `processes` whose root directory is `directory` or lies in it. The directory itself is compared,
 * so that one in a mount namespace of its own, which calls it `/`, is found as well.
 * @param directory without symlinks. Only root sees where other users' processes run.
 */
export function processesIn(
  host: Host,
  directory: string,
  processes: readonly ProcessInformation[],
): readonly ProcessInformation[] {
  const own = host.stat(directory);
  return processes.filter(
    ({ pid, root }) => root?.startsWith(`${directory}/`) || isSameFile(rootStatus(host, pid), own),
  );
}

/** Of the root directory of a process; undefined where there is none to see. */
export function rootStatus(host: Host, pid: number): ReturnType<Host['stat']> {
  try {
    return host.stat(`/proc/${pid}/root/.`);
  } catch {
    return undefined; // A kernel thread, or it ended while we looked.
  }
}
