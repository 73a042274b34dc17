import { fileURLToPath } from 'node:url';

/** Where things are in the repository, for the scripts and the tests. */
export const repository = fileURLToPath(new URL('..', import.meta.url)).replace(/\/$/, '');
export const distDirectory = `${repository}/dist`;
export const cacheDirectory = `${repository}/.cache`;
/** The compiled executable. */
export const mounterExecutable = `${distDirectory}/mounter`;
/** The small executable that the compiled one has in it, and places as kubelet's mounter. */
export const frontExecutable = `${distDirectory}/mounter-front`;
/** What the compiled one lays into a rootfs in the place of glusterfs. */
export const guardFile = `${distDirectory}/glusterfs-guard`;
