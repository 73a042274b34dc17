import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { zstdDecompressSync } from 'node:zlib';
import { execa } from 'execa';
import { exitCode } from '../../src/exit-codes.ts';
import { runMain } from '../command-line.ts';
import { distDirectory, mounterExecutable, repository } from '../paths.ts';
import { type Target, target } from './report/summary.ts';

/** In MB. */
const limits = { pulled: 60, installed: 170 } as const;

async function main(check: boolean): Promise<number> {
  await execa(
    process.execPath,
    [`${repository}/scripts/image.ts`, '--allow-newer', '--only=mounter-node-agent'],
    { stdio: ['ignore', process.stderr, 'inherit'] },
  );
  const pulled = await bytesIn(`${distDirectory}/image-node-agent/blobs`);
  const unpacked = await unpackedBytes(`${distDirectory}/image-node-agent`);
  const installed = await installedBytes();
  const targets = [
    target('MB that a node pulls', limits.pulled, [pulled / 1e6]),
    target('MB on its disk, installed', limits.installed, [installed / 1e6]),
  ];
  process.stdout.write(targets.map(describe).join(''));
  // The container runtime's own, which it may keep or not: no limit of ours.
  const runtimes = ((pulled + unpacked) / 1e6).toFixed(1);
  process.stdout.write(
    `beside it, what a container runtime keeps of the DaemonSet's image: ${runtimes} MB\n`,
  );
  return check && targets.some(({ isReached }) => !isReached) ? exitCode.system : exitCode.success;
}

function describe({ title, limit, figure, isReached }: Target): string {
  return `${title}: ${figure.toFixed(1)} (target: ${limit}${isReached ? '' : ', not reached'})\n`;
}

/** As on a disk: a file with two names is one. */
async function bytesIn(directory: string): Promise<number> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  const sizes = new Map<number, number>();
  for (const entry of entries.filter((one) => one.isFile())) {
    const { ino, size } = await stat(join(entry.parentPath, entry.name));
    sizes.set(ino, size);
  }
  return [...sizes.values()].reduce((sum, size) => sum + size, 0);
}

async function installedBytes(): Promise<number> {
  const home = await mkdtemp(join(tmpdir(), 'bytes-'));
  try {
    await execa(mounterExecutable, ['install', `${distDirectory}/rootfs.tar.zst`], {
      env: { MOUNTER_HOME: join(home, 'containerized_mounter') },
    });
    return await bytesIn(home);
  } finally {
    await rm(home, { recursive: true, force: true });
  }
}

/** Of its layers, which are zstd all, without their compression. */
async function unpackedBytes(layout: string): Promise<number> {
  const blobs = join(layout, 'blobs/sha256');
  let sum = 0;
  for (const name of await readdir(blobs)) {
    const bytes = await readFile(join(blobs, name));
    if (bytes.readUInt32LE(0) === zstdMagic) sum += zstdDecompressSync(bytes).length;
  }
  return sum;
}

/** @see RFC 8878, 3.1.1 */
const zstdMagic = 0xfd2fb528;

await runMain({
  name: 'bench:bytes',
  flags: { '--check': 'exit with status 2 when a target is not reached' },
  needsRoot: true,
  manual: [
    `Counts the bytes of a node: what a DaemonSet's node pulls, which is one image with the rootfs in it, and what an install
    of that rootfs leaves on the node's disk, executables included. Builds both images first.`,
  ],
  run: (given) => main(given.has('check')),
});
