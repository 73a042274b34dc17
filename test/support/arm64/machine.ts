import { createHash } from 'node:crypto';
import { cp, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { execa } from 'execa';
import { ensureInstalled, fetchPackages, unpackInto } from '../../../scripts/debian.ts';
import { cacheDirectory, distributionOf } from '../../../scripts/paths.ts';
import { withScratch } from '../../../scripts/scratch.ts';
import { makeDisk } from '../vm/build.ts';
import { copyModules, moduleFiles } from '../vm/modules.ts';
import { furnish, node, type Root, server, unneededFiles, unneededPackages } from '../vm/roots.ts';

/**
 * A node of arm64 with Debian's kernel, emulated by QEMU: no KVM of another machine can. It has the trees of the test VM
 * (see ../vm/roots.ts), and runs no test itself, but a script.
 */

const cache = `${cacheDirectory}/arm64`;
const suite = 'bookworm';
const architecture = 'arm64';

/** What is not needed here of the test VM's trees. */
const notHere = /^(systemd|dbus|strace|libatomic1|libstdc\+\+6|samba|cifs-utils)$/;

/** To reach the disk; ext4 asks for its checksums by name. */
const diskModules = ['virtio_mmio', 'virtio_blk', 'crc32c_generic', 'ext4'];
const nodeModules = ['fuse', 'nfs', 'nfsv3', 'nfsv4', 'nfsd', 'veth', 'overlay'];

interface Machine {
  readonly kernel: string;
  readonly initrd: string;
  readonly disk: string;
}

/** Made of Debian's packages on the first call, and kept. */
async function buildMachine(): Promise<Machine> {
  await ensureInstalled(['qemu-system-arm', 'kmod', 'cpio']);
  const directory = join(cache, `machine-${await keyOfInputs()}`);
  const machine = {
    kernel: join(directory, 'vmlinuz'),
    initrd: join(directory, 'initrd'),
    disk: join(directory, 'disk.img'),
  };
  // The last that is written.
  const isBuilt = await readFile(join(directory, 'built')).catch(() => undefined);
  if (isBuilt === undefined) await build(directory, machine);
  return machine;
}

async function keyOfInputs(): Promise<string> {
  const hash = createHash('sha256');
  for (const name of ['machine.ts', 'init.sh', '../vm/roots.ts', '../vm/modules.ts'])
    hash.update(await readFile(join(import.meta.dirname, name)));
  return hash.digest('hex').slice(0, 16);
}

async function build(directory: string, machine: Machine): Promise<void> {
  await rm(cache, { recursive: true, force: true });
  await mkdir(directory, { recursive: true });
  await withScratch(`${cacheDirectory}/arm64-builds`, async (scratch) => {
    const [kernel, root, first] = ['kernel', 'root', 'first'].map((name) => join(scratch, name));
    if (kernel === undefined || root === undefined || first === undefined) return;
    await unpack('kernel', ['linux-image-arm64'], kernel, /^linux-image-\d/);
    const [image = ''] = (await readdir(join(kernel, 'boot'))).filter((name) => name.startsWith('vmlinuz'));
    await cp(join(kernel, 'boot', image), machine.kernel);
    const version = image.replace('vmlinuz-', '');
    await execa('depmod', ['-b', kernel, version]);
    const modules = join(kernel, 'usr/lib/modules');
    await makeRoot('node', node, root);
    await mkdir(join(root, 'dev'), { recursive: true });
    await makeRoot('server', server, join(root, 'server'), 'iproute2');
    await copyModules(modules, root, nodeModules);
    await execa('depmod', ['-b', root, version]);
    await makeDisk(root, machine.disk, join(scratch, 'tools'));
    await makeInitrd(first, join(modules, version), machine.initrd);
  });
  await writeFile(join(directory, 'built'), '');
}

async function makeRoot(
  name: string,
  root: Root,
  directory: string,
  ...more: readonly string[]
): Promise<void> {
  const names = [...root.packages.filter((one) => !notHere.test(one)), ...more];
  await unpack(name, names, directory);
  await furnish(directory, root, false);
}

async function unpack(
  name: string,
  names: readonly string[],
  directory: string,
  wanted = /^(?!linux-)/,
): Promise<void> {
  const packages = `${cacheDirectory}/vm/packages/arm64-${name}`;
  const debs = await fetchPackages({ names, directory: packages, suite, architecture });
  const needed = debs.filter((deb) => wanted.test(deb.name) && !unneededPackages.test(deb.name));
  await unpackInto(needed, directory, unneededFiles);
}

async function makeInitrd(root: string, modules: string, initrd: string): Promise<void> {
  await unpack('busybox', ['busybox-static'], root, /^busybox-static$/);
  for (const name of ['proc', 'sys', 'dev', 'node', 'modules'])
    await mkdir(join(root, name), { recursive: true });
  await cp(join(import.meta.dirname, 'init.sh'), join(root, 'init'));
  await execa('chmod', ['0755', join(root, 'init')]);
  const dependencies = await readFile(join(modules, 'modules.dep'), 'utf8');
  // Each after what it needs.
  const files = new Set(diskModules.flatMap((name) => [...moduleFiles(dependencies, [name])].reverse()));
  const names = [...files].map((file) => file.slice(file.lastIndexOf('/') + 1));
  for (const file of files)
    await cp(join(modules, file), join(root, 'modules', file.slice(file.lastIndexOf('/') + 1)));
  await writeFile(join(root, 'modules/order'), `${names.join('\n')}\n`);
  await execa('sh', ['-c', 'find . | cpio --quiet -o -H newc >"$0"', initrd], { cwd: root });
}

export interface Boot {
  /** Of the script; undefined where it came to no end. */
  readonly status: number | undefined;
  readonly output: string;
}

/** Boots it with what is in dist/arm64, and returns when it has ended. The disk stays as it is. */
export async function bootMachine(onOutput: (text: string) => void): Promise<Boot> {
  const { kernel, initrd, disk } = await buildMachine();
  return await withScratch(`${cacheDirectory}/arm64-boots`, async (scratch) => {
    const payload = join(scratch, 'payload.tar');
    await writePayload(payload, scratch);
    const drive = (file: string, name: string) => [
      ...['-drive', `file=${file},format=raw,if=none,snapshot=on,id=${name}`],
      ...['-device', `virtio-blk-device,drive=${name}`],
    ];
    const qemu = execa(
      'setpriv',
      [
        ...['--pdeathsig', 'KILL', 'nice', '-n', '-10', 'qemu-system-aarch64', '-machine', 'virt'],
        ...['-cpu', 'cortex-a72', '-m', '1536', '-nic', 'none', '-nographic', '-no-reboot'],
        // Its clock goes by what it has executed: however slow this machine is, no limit there is over too soon.
        ...['-accel', 'tcg,thread=single', '-icount', 'shift=2,sleep=off', '-rtc', 'clock=vm'],
        ...['-kernel', kernel, '-initrd', initrd, '-append', 'console=ttyAMA0 quiet loglevel=3 panic=-1'],
        // The one named last is the first that the kernel finds.
        ...drive(payload, 'payload'),
        ...drive(disk, 'disk'),
      ],
      { all: true, reject: false, stdin: 'ignore', timeout: 1_800_000, killSignal: 'SIGKILL' },
    );
    qemu.all.setEncoding('utf8').on('data', onOutput);
    const output = ((await qemu).all ?? '').replaceAll('\r', '');
    const status = /^status (\d+)$/m.exec(output)?.[1];
    return { status: status === undefined ? undefined : Number(status), output };
  });
}

/** What is tried, and the scripts that do. */
async function writePayload(file: string, scratch: string): Promise<void> {
  const here = (path: string) => resolve(import.meta.dirname, path);
  const { directory } = distributionOf(architecture);
  const files: Readonly<Record<string, string>> = {
    'machine.sh': here('machine.sh'),
    'node.sh': here('node.sh'),
    'guest/network.sh': here('../guest/network.sh'),
    'guest/enter-server.sh': here('../guest/enter-server.sh'),
    'guest/nfs-server.sh': here('../guest/nfs-server.sh'),
    'gluster/init.sh': here('../gluster/server/init.sh'),
    'dist/mounter': join(directory, 'mounter'),
    'dist/rootfs.tar.zst': join(directory, 'rootfs.tar.zst'),
    'dist/rootfs-manifest.json': join(directory, 'rootfs-manifest.json'),
  };
  for (const [name, from] of Object.entries(files)) await cp(from, join(scratch, 'payload', name));
  await execa('tar', ['-cf', file, '--owner=0', '--group=0', '-C', join(scratch, 'payload'), '.']);
}
