import { MounterError } from '../errors.ts';
import { exitCode } from '../exit-codes.ts';
import type { Host, RootfsEntry } from '../host/host.ts';
import type { Layout } from './layout.ts';
import type { NodeSettings } from './manifest.ts';

/** The way into the rootfs in `directory`, as `enter` of the manifest has it. */
export function rootfsEntry(directory: string, { enter }: Pick<NodeSettings, 'enter'>): RootfsEntry {
  switch (enter) {
    case 'chroot':
      return { kind: 'chroot', directory };
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
