import type { Host } from '../host/host.ts';
import { readMountinfo } from '../host/mountinfo.ts';
import type { RunBounded } from '../host/run-bounded.ts';
import type { Layout } from '../node/layout.ts';
import { withNodeLock } from '../node/lock.ts';
import { nothingDoneWhereOff, readManifest } from '../node/node.ts';
import { prepareNode } from '../prepare/prepare-node.ts';
import { volumeDirectories } from '../volumes/volumes.ts';
import { stackedVolumes } from './duplicates.ts';

const umountMs = 5000;

/**
 * Does what `mounter prepare` does, which takes copies of the kubelet directory away. Then it unmounts the upper mount of
 * each volume that is mounted twice on one target. The volume itself stays: the mount under it is the same.
 * @returns what was done, a line each.
 * @throws MounterError where nothing is installed, or the directory cannot be shared.
 */
export async function repair(host: Host, layout: Layout, runBounded: RunBounded): Promise<readonly string[]> {
  const nothingDone = await nothingDoneWhereOff(host, layout);
  if (nothingDone !== undefined) return [nothingDone];
  const done = [...(await prepareNode({ host, layout }))];
  const directories = volumeDirectories(await readManifest(host, layout));
  await withNodeLock(async () => {
    for (const directory of directories)
      done.push(...(await unmountCopies(directory.host, host, runBounded)));
  });
  return done;
}

/**
 * Lazily: a volume whose server is silent lets go as well.
 * @returns what was done, and what could not be, a line each.
 */
export async function unmountCopies(
  directory: string,
  host: Pick<Host, 'readText' | 'findProgram'>,
  runBounded: RunBounded,
): Promise<readonly string[]> {
  const done: string[] = [];
  const stacked = () => stackedVolumes(directory, readMountinfo(host));
  for (const { mountId, mountPoint, source } of stacked()) {
    // kubelet may have unmounted one of the two meanwhile: the other is the volume itself.
    if (!stacked().some((volume) => volume.mountId === mountId)) continue;
    const argv = [host.findProgram('umount'), '--no-canonicalize', '-l', mountPoint];
    const answer = await runBounded(argv, umountMs);
    if (answer?.status === 0) done.push(`unmounted the second ${source} on ${mountPoint}`);
    else done.push(`left the second ${source} on ${mountPoint}: ${answer?.output.trim() ?? 'umount hangs'}`);
  }
  return done;
}
