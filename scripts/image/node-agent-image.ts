import { copyFile, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { probeScript } from '../../src/node-agent/outcome.ts';
import {
  agentExecutable,
  gateDirectory,
  probeCommand,
  scratchDirectory,
  settingsDirectory,
  toolsDigest,
  toolsImage,
  toolsManifest,
} from '../../src/node-agent/places.ts';
import { fetchPinned, unpackInto } from '../debian.ts';
import { distributionOf } from '../paths.ts';
import { digestOf, tarOf } from '../rootfs/archive.ts';
import { completeTree, directory, type Entry, link, textFile } from '../rootfs/entry.ts';
import { takeLibraries } from '../rootfs/libraries.ts';
import { UnpackedTree } from '../rootfs/unpacked.ts';
import { workspace } from '../rootfs/workspace.ts';
import { withScratch } from '../scratch.ts';
import { keptLayerOf, layerOf } from './layer.ts';
import { type Image, type ImageRequest, indexOf, type LayerBlob, publishedOf, timeOf } from './oci.ts';
import type { RootfsFiles } from './rootfs-image.ts';
import type { Signature } from './signature.ts';

/**
 * The image that the DaemonSet runs: the executable, nsenter(1) to reach the host, a shell for the readiness probe,
 * their libraries, and the tools image as an OCI layout, so that a node needs no registry but the one that this came from.
 */
export const nodeAgentName = 'mounter-node-agent';

/** Of the pinned packages those that the programs and libraries below are from. */
const packageNames = ['dash', 'libc6', 'libpcre2-8-0', 'libselinux1', 'util-linux'];

/** zstd's, of 32 MiB. */
const executableWindow = 25;
/** zstd's: in a second, where the published level takes 40. */
const quickLevel = 3;

export interface NodeAgentOptions {
  readonly allowNewer: boolean;
  /** Its largest layer is compressed for a few nodes, at once. */
  readonly isQuick: boolean;
  /** For nodes that install nothing without one. */
  readonly toolsSignature?: Signature | undefined;
}

/**
 * @param tools the image that it installs.
 * @param toolsTag of it, for those who read the layout.
 */
export async function nodeAgentImage(
  files: RootfsFiles,
  tools: Image,
  toolsTag: string,
  { allowNewer, isQuick, toolsSignature }: NodeAgentOptions,
): Promise<ImageRequest> {
  const { architecture, epoch = 0 } = files.manifest.rootfs;
  const { programs, executable } = await programEntries(files, allowNewer);
  const tar = (entries: readonly Entry[]) => tarOf(completeTree(entries), epoch);
  const layer = async (entries: readonly Entry[], createdBy: string, level?: number): Promise<LayerBlob> =>
    layerOf(await tar(entries), 'zstd', `npm run image: ${createdBy}`, level);
  return {
    architecture,
    epoch,
    labels: {
      'org.opencontainers.image.title': nodeAgentName,
      'org.opencontainers.image.description':
        'installs the storage tools on a Kubernetes node and keeps it prepared',
      'org.opencontainers.image.created': timeOf(epoch),
      'containerized-mounter.image.digest': tools.digest,
      'containerized-mounter.executable.digest': digestOf(executable.content),
    },
    environment: ['PATH=/usr/sbin:/usr/bin:/sbin:/bin'],
    entrypoint: [agentExecutable, 'node-agent'],
    layers: [
      await layer(programs, 'nsenter, sh and libraries'),
      isQuick
        ? await layer([executable], 'mounter', quickLevel)
        : await keptLayerOf(
            await tar([executable]),
            'npm run image: mounter',
            executableWindow,
            `mounter-${architecture}`,
          ),
      await layer(toolsEntries(files, tools, toolsTag, toolsSignature), 'the tools image'),
    ],
  };
}

/** Out of the same pinned packages as the rootfs. */
async function programEntries(files: RootfsFiles, allowNewer: boolean) {
  const { packages, suite, architecture } = files.manifest.rootfs;
  const { mounter } = distributionOf(architecture);
  const pins = packages.filter(({ name }) => packageNames.includes(name));
  const debs = await fetchPinned({ pins, directory: workspace.debs, suite, architecture, allowNewer });
  return await withScratch(workspace.builds, async (scratch) => {
    const root = join(scratch, 'node-agent');
    await unpackInto(debs, root);
    await copyFile(mounter, `${root}${agentExecutable}`);
    const tree = new UnpackedTree(root);
    for (const path of ['usr/bin/dash', 'usr/bin/nsenter', agentExecutable.slice(1)])
      await tree.take(path, 'a program');
    await takeLibraries(tree, architecture);
    for (const name of packageNames) await tree.take(`usr/share/doc/${name}/copyright`, 'the licence');
    const taken = [...tree.taken.values()];
    const content = await readFile(mounter);
    const executable = {
      kind: 'file',
      path: agentExecutable.slice(1),
      mode: 0o755,
      uid: 0,
      gid: 0,
      content,
    } as const;
    return { programs: [...places, ...taken.filter(({ path }) => path !== executable.path)], executable };
  });
}

/** Links of the merged /usr, and what the runtime and the DaemonSet mount on. */
const places: readonly Entry[] = [
  ...['bin', 'lib', 'lib64', 'sbin'].map((name) => link(name, `usr/${name}`)),
  ...['dev', 'etc', 'proc', 'sys', 'usr/sbin', 'usr/lib64'].map((path) => directory(path)),
  ...[settingsDirectory, gateDirectory, scratchDirectory].map((path) => directory(path.slice(1))),
  link('usr/bin/sh', 'dash'),
  textFile(probeCommand[1].slice(1), probeScript),
];

function toolsEntries(
  files: RootfsFiles,
  tools: Image,
  tag: string,
  signature: Signature | undefined,
): readonly Entry[] {
  const at = toolsImage.slice(1);
  const file = (path: string, content: Buffer): Entry => ({
    kind: 'file',
    path,
    mode: 0o644,
    uid: 0,
    gid: 0,
    content,
  });
  return [
    ...[...tools.blobs, ...(signature?.blobs ?? [])].map(([digest, blob]) =>
      file(`${at}/blobs/${digest.replace(':', '/')}`, blob),
    ),
    file(
      `${at}/index.json`,
      indexOf(publishedOf({ [files.manifest.rootfs.architecture]: tools }), tag, signature),
    ),
    textFile(`${at}/oci-layout`, '{"imageLayoutVersion":"1.0.0"}'),
    textFile(toolsDigest.slice(1), `${tools.digest}\n`),
    textFile(toolsManifest.slice(1), files.manifestText),
  ];
}
