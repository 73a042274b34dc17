import { realpathSync } from 'node:fs';
import type { Host } from '../host/host.ts';
import type { Layout } from '../node/layout.ts';
import { withNodeLock } from '../node/lock.ts';
import { readManifest } from '../node/node.ts';
import { requireRootfs } from '../rootfs/entrance.ts';
import { prepareVersionInUse } from './version-in-use.ts';

/**
 * Makes the node ready for mounts, with the version in use. Takes the node's lock.
 * @returns what was done, a line each; nothing where all was in place.
 * @throws MounterError that names what cannot be made ready.
 */
export async function prepareNode({
  host,
  layout,
}: {
  readonly host: Host;
  readonly layout: Layout;
}): Promise<readonly string[]> {
  const manifest = await readManifest(host, layout);
  requireRootfs(host, layout);
  return await withNodeLock(() =>
    prepareVersionInUse(realpathSync(layout.rootfs), { host, layout, manifest }),
  );
}

/** What `mounter prepare` and `mounter enable` say of it. */
export function describePreparation(done: readonly string[]): string {
  return done.length === 0 ? 'prepared already; nothing to do\n' : `${done.join('\n')}\nprepared\n`;
}
