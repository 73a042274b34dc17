import type { Host } from '../host/host.ts';
import type { NodeSettings } from './manifest.ts';

/**
 * The argv that runs `argv` inside the rootfs, with paths as they are in there. chroot(1) executes the
 * program in its own place, so the child's pid is the program's: one process to signal.
 * @throws MounterError (system) when the host lacks chroot(1).
 */
export function enterRootfs(
  host: Host,
  rootfs: string,
  how: NodeSettings['enter'],
  argv: readonly string[],
): readonly string[] {
  switch (how) {
    case 'chroot':
      return [host.findProgram('chroot'), rootfs, ...argv];
    default:
      return how satisfies never;
  }
}
