import { fileURLToPath } from 'node:url';
import { type Architecture, ownArchitecture } from './architectures.ts';

/** Where things are in the repository, for the scripts and the tests. */
export const repository = fileURLToPath(new URL('..', import.meta.url)).replace(/\/$/, '');
export const distDirectory = `${repository}/dist`;
export const cacheDirectory = `${repository}/.cache`;

/** Where what is built for an architecture lies: for another one than this machine's beside the rest. */
export function distributionOf(architecture: Architecture) {
  const directory = architecture === ownArchitecture ? distDirectory : `${distDirectory}/${architecture}`;
  return {
    directory,
    /** The compiled executable. */
    mounter: `${directory}/mounter`,
    /** The small executable that the compiled one has in it, and places as kubelet's mounter. */
    front: `${directory}/mounter-front`,
    /** What the compiled one lays into a rootfs in the place of glusterfs. */
    guard: `${directory}/glusterfs-guard`,
    schema: `${directory}/rootfs-manifest.schema.json`,
    nodeSettingsSchema: `${directory}/node-settings.schema.json`,
  } as const;
}

export type Distribution = ReturnType<typeof distributionOf>;

/** This machine's own. */
export const {
  mounter: mounterExecutable,
  front: frontExecutable,
  guard: guardFile,
} = distributionOf(ownArchitecture);
