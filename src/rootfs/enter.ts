import { MounterError } from '../errors.ts';
import { exitCode } from '../exit-codes.ts';
import type { Host, RootfsEntry } from '../host/host.ts';
import type { Layout } from './layout.ts';
import type { NodeSettings } from './manifest.ts';

/**
 * In a version's directory, the symlink to what pins its mount namespace. So one open(2) goes from `rootfs` by the
 * version that this names to the namespace of that version, and no switch can come in between.
 */
export const namespaceLink = '.mounter-namespace';

/** The way into the rootfs in `directory`, as `enter` of the manifest has it. */
export function rootfsEntry(directory: string, { enter }: Pick<NodeSettings, 'enter'>): RootfsEntry {
  switch (enter) {
    case 'chroot':
      return { kind: 'chroot', directory };
    case 'namespace':
      return { kind: 'namespace', file: `${directory}/${namespaceLink}` };
    default:
      return enter satisfies never;
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
