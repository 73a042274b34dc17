import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { pack } from 'tar-stream';
import { ensureServerRootfs } from '../gluster/gluster-server.ts';
import { writeOciLayout } from '../image/oci-layout.ts';
import { imageOf, type TestImage } from '../image/test-image.ts';
import { type ScratchNode, shared } from '../node/namespace.ts';
import { directoryOfThisProcess } from '../node/process-directory.ts';
import { rootfsBytes } from '../node/rootfs-versions.ts';

/** A stand-in kubelet, static, in an image with Debian's own tools around it: kubelet-stand-in.c has its flags. */
const source = fileURLToPath(new URL('../programs/kubelet-stand-in.c', import.meta.url));

export interface ImageEntry {
  readonly name: string;
  readonly mode?: number;
  readonly type?: 'file' | 'symlink' | 'directory';
  readonly linkname?: string;
  readonly content?: string | Buffer;
}

export async function layerOf(entries: readonly ImageEntry[]): Promise<Buffer> {
  const archive = pack();
  const bytes = buffer(archive);
  for (const { name, mode = 0o755, type = 'file', linkname, content = '' } of entries) {
    const header = { name, mode, type, mtime: new Date(0), ...(linkname && { linkname }) };
    archive.entry(header, type === 'file' ? content : '');
  }
  archive.finalize();
  return bytes;
}

async function compileKubelet(): Promise<Buffer> {
  const directory = mkdtempSync(join(tmpdir(), 'kubelet-stand-in-'));
  try {
    await execa('gcc', ['-static', '-O1', '-s', '-Wall', '-o', 'kubelet', source], { cwd: directory });
    return readFileSync(join(directory, 'kubelet'));
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** glibc's, without which the mounter itself does not run in an image; the tools' own are a choice of ours. */
async function libraries(): Promise<readonly ImageEntry[]> {
  const rootfs = await ensureServerRootfs();
  const directory = 'usr/lib/x86_64-linux-gnu';
  return ['libpthread.so.0', 'libdl.so.2', 'libm.so.6'].map((library) => {
    const name = `${directory}/${library}`;
    return { name, content: readFileSync(join(rootfs, name)) };
  });
}

const kubeletLayer = await layerOf([
  ...(await libraries()),
  { name: 'usr/local/bin/kubelet', content: await compileKubelet() },
]);

/** What images of kubelets are like: symlinks where we mount, a command of their own. */
const likeOthers: readonly ImageEntry[] = [
  { name: 'etc/resolv.conf', type: 'symlink', linkname: '../run/systemd/resolve/stub-resolv.conf' },
  { name: 'etc/os-release', type: 'symlink', linkname: '../usr/lib/os-release' },
  { name: 'usr/lib/os-release', mode: 0o644, content: 'ID=image\n' },
  { name: 'etc/from-image', mode: 0o644, content: 'image\n' },
  { name: 'srv/work', type: 'directory' },
  { name: 'work', type: 'symlink', linkname: '/srv/work' },
];

export async function kubeletImage(
  extra: readonly ImageEntry[] = [],
  config: Record<string, unknown> = {
    Entrypoint: ['kubelet'],
    Cmd: ['--exit=3'],
    Env: ['PATH=/usr/local/bin:/usr/bin', 'FROM_IMAGE=yes'],
    WorkingDir: '/work',
  },
): Promise<TestImage> {
  const tars = [rootfsBytes, kubeletLayer, await layerOf([...likeOthers, ...extra])];
  return imageOf({ tars, compression: 'none', config });
}

const plain = await kubeletImage();

export const kubeletRoot = '/var/lib/containerized-mounter/kubelet';

/** The first extraction of the usual image in this process, as a copy on this machine. */
let firstExtracted: Promise<string> | undefined;

/** Extracts the image in the node as an operator does; of the usual one, all but the first are copies. */
export async function extractKubelet(
  node: ScratchNode,
  { image = plain, directory = kubeletRoot }: { image?: TestImage; directory?: string } = {},
): Promise<void> {
  const [own, record] = [node.path(directory), `${node.path(directory)}.image.json`];
  if (image === plain && firstExtracted !== undefined) {
    const copy = await firstExtracted;
    await node.shell(`mkdir -p ${dirname(directory)}`);
    await execa('cp', ['-a', join(copy, 'image'), own]);
    await execa('cp', ['-a', join(copy, 'record'), record]);
    return;
  }
  const extracted = extract(node, image, directory);
  if (image !== plain) return await extracted;
  firstExtracted = extracted.then(async () => {
    const copy = directoryOfThisProcess('extracted-kubelet-');
    await execa('cp', ['-a', own, join(copy, 'image')]);
    await execa('cp', ['-a', record, join(copy, 'record')]);
    return copy;
  });
  await firstExtracted;
}

async function extract(node: ScratchNode, image: TestImage, directory: string): Promise<void> {
  const name = `kubelet-image-${image.digest.slice(7, 19)}`;
  writeOciLayout(join(node.sharedDirectory, name), image);
  await node.mustRun('install', `${shared}/${name}`, '--into', directory);
}
