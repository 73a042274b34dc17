import { join, resolve } from 'node:path';

const repository = resolve(import.meta.dirname, '../..');

/** Where the build reads and keeps things, all absolute. */
export const workspace = {
  repository,
  manifest: join(repository, 'rootfs-manifest.json'),
  /** Downloaded packages. */
  debs: join(repository, '.cache/debs'),
  /** Trees being worked on, and what was built last. */
  builds: join(repository, '.cache/rootfs'),
} as const;
