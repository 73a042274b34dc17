import { fileURLToPath } from 'node:url';

/** Where things are in the repository, for the scripts and the tests. */
export const repository = fileURLToPath(new URL('..', import.meta.url)).replace(/\/$/, '');
export const distDirectory = `${repository}/dist`;
export const cacheDirectory = `${repository}/.cache`;
/** The compiled executable. */
export const mounterExecutable = `${distDirectory}/mounter`;
