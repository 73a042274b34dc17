import { MounterError } from '../errors.ts';
import { exitCode } from '../exit-codes.ts';
import type { Host } from '../host/host.ts';
import type { Layout } from './layout.ts';
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

/** @throws MounterError (system) when `rootfs` leads to no directory. */
export function requireRootfs(host: Host, layout: Layout): void {
  if (host.stat(layout.rootfs)?.kind === 'directory') return;
  throw new MounterError('no rootfs is installed', {
    subject: layout.rootfs,
    status: exitCode.system,
    hint: 'run mounter install SOURCE, then mounter prepare',
  });
}
