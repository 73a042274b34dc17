import { mkdir } from 'node:fs/promises';
import { execa } from 'execa';
import { distDirectory } from '../../paths.ts';
import { type BenchNode, coverDirectories, kubeletDirectory, makeTarget, replaceHelper } from './node.ts';
import { type BenchPrograms, benchDirectory } from './programs.ts';

/** As often as a node's kubelet may be started again in its life; each time doubles what one volume costs. */
const times = 3;

/**
 * A node set up as the original mounter's unit did it: binds that are made again, on those that are there,
 * whenever it runs.
 * @see kubernetes 1.5 to 1.10, cluster/gce/gci/configure-helper.sh, prepare-mounter-rootfs
 */
export async function makeNaiveNode({ standIn }: BenchPrograms): Promise<BenchNode> {
  await coverDirectories();
  // systemd makes all mounts shared.
  await execa('mount', ['--make-rshared', '/']);
  const home = `${benchDirectory}/node`;
  await mkdir(home, { recursive: true });
  await execa('mount', ['-t', 'tmpfs', '-o', 'mode=0755', 'tmpfs', home]);
  const rootfs = `${home}/rootfs`;
  await mkdir(rootfs);
  await execa('tar', [
    '--extract',
    '--zstd',
    '--file',
    `${distDirectory}/rootfs.tar.zst`,
    '--directory',
    rootfs,
  ]);
  await replaceHelper(`${rootfs}/usr/sbin/mount.nfs`, standIn);
  const target = await makeTarget();
  for (let time = 0; time < times; time += 1) await prepareNaively(home, rootfs);
  return { pid: process.pid, home, rootfs, target };
}

async function prepareNaively(home: string, rootfs: string): Promise<void> {
  const kubelet = `${rootfs}${kubeletDirectory}`;
  await mkdir(kubelet, { recursive: true });
  for (const argv of [
    ['--bind', home, home],
    ['-o', 'remount,exec', home],
    ['--rbind', kubeletDirectory, kubelet],
    ['--make-rshared', kubelet],
    ['--bind', '-o', 'ro', '/proc', `${rootfs}/proc`],
    ['--bind', '-o', 'ro', '/dev', `${rootfs}/dev`],
  ])
    await execa('mount', argv);
}
