import { execa } from 'execa';
import { takeLock } from '../../../test/support/guest/lock.ts';
import { home, mountNfs, mustSucceed, newTarget, unmountAll } from '../../../test/support/guest/node.ts';
import { rpcProcesses } from '../../../test/support/guest/rpc.ts';
import { mountAsOriginal, type OriginalCall, startRpcbind } from './original.ts';
import type { FirstMount } from './results.ts';

/** First NFSv3 mounts with locks: each on a node where neither rpcbind nor rpc.statd runs, as after its boot. */

const rootfs = `${home}/rootfs`;
const lockSeconds = 5;

type MountCall = (
  target: string,
) => Promise<{ readonly status: number | undefined; readonly output: string }>;

export async function measureFirstMounts(source: string, count: number): Promise<readonly FirstMount[]> {
  const mounts: FirstMount[] = [];
  while (mounts.length < count) mounts.push(await firstMount((target) => mountNfs(source, target, 'vers=3')));
  return mounts;
}

/** In a rootfs with the image's own start-statd, and ours laid over it again after that. */
export async function measureOriginal(
  source: string,
): Promise<{ readonly original: FirstMount; readonly helpedOriginal: FirstMount }> {
  await execa('umount', [`${rootfs}/usr/sbin/start-statd`]);
  const mount = (target: string): Promise<OriginalCall> =>
    mountAsOriginal(rootfs, ['-t', 'nfs', '-o', 'vers=3', source, target]);
  const original = await firstMount(mount);
  const helpedOriginal = await firstMount(async (target) => {
    const rpcbind = await startRpcbind(rootfs);
    return rpcbind.status === 0 ? mount(target) : rpcbind;
  });
  await mustSucceed(`${home}/mounter`, 'prepare');
  return { original, helpedOriginal };
}

async function firstMount(mount: MountCall): Promise<FirstMount> {
  await unmountAll();
  const running = await rpcProcesses();
  if (running.length > 0) throw new Error(`something runs: ${running.map(({ name }) => name).join()}`);
  const target = await newTarget();
  const started = performance.now();
  const { status = -1, output } = await mount(target);
  const seconds = (performance.now() - started) / 1000;
  const lock = status === 0 ? await takeLock(`${target}/file`, lockSeconds) : undefined;
  await unmountAll();
  return { status, seconds, isLocked: lock?.locked ?? null, output };
}
