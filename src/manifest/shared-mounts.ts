import { MounterError } from '../errors.ts';
import { exitCode } from '../exit-codes.ts';

/** A directory of the host that its rootfs has too, at a path of its own. */
export interface SharedDirectory {
  /** Without symlinks, as mountinfo has it. */
  readonly host: string;
  readonly rootfs: string;
}

/** Whether what is mounted below the mount appears on the host, for the containers: the kubelet directory's are so. */
export function isShared({ propagation }: { readonly propagation: string }): boolean {
  return propagation === 'shared';
}

/** Whether it is shared, and has one path on the host and in the rootfs: targets are accepted below these alone. */
export function isIdentityMount(mount: {
  readonly propagation: string;
  readonly host?: string | undefined;
  readonly rootfs: string;
}): boolean {
  return isShared(mount) && mount.host === mount.rootfs;
}

/** The directories that targets are accepted below. */
export function identityMounts({
  mounter,
}: {
  readonly mounter: readonly Parameters<typeof isIdentityMount>[0][];
}): readonly string[] {
  return mounter.filter(isIdentityMount).map(({ rootfs }) => rootfs);
}

/**
 * The shared directory that holds `target`: only what is below one can appear on the host.
 * @throws MounterError (usage, class `mount-point`)
 */
export function identityMountOf(
  target: string,
  { mounts }: { readonly mounts: Parameters<typeof identityMounts>[0] },
): string {
  const directories = identityMounts(mounts);
  const found = directories.find((directory) => target.startsWith(`${directory}/`));
  if (found !== undefined) return found;
  throw new MounterError('the target is not below a directory that volumes may be mounted in', {
    subject: target,
    status: exitCode.usage,
    errorClass: 'mount-point',
    hint: `mount below ${directories.join(' or ')}, or name the directory in mounts.mounter of node-settings.json, with all that it has today and "shared" as ${directories[0]} is, and run mounter prepare`,
  });
}
