import { readFileSync } from 'node:fs';
import { layerOf } from '../../../scripts/image/layer.ts';
import { writeLayout } from '../../../scripts/image/layout.ts';
import { nodeAgentImage } from '../../../scripts/image/node-agent-image.ts';
import { composeImage, type Image } from '../../../scripts/image/oci.ts';
import { distDirectory } from '../../../scripts/paths.ts';
import { tarOf } from '../../../scripts/rootfs/archive.ts';
import { toolsWith } from '../node/node-agent.ts';
import { directoryOfThisProcess } from '../node/process-directory.ts';
import { testProgram } from '../programs/test-program.ts';

/** The images that these tests pull. */
export interface TestImage {
  /** What skopeo copies from. */
  readonly source: string;
  /** Of its manifest. */
  readonly digest: string;
}

const directory = directoryOfThisProcess('fleet-images-');

async function layout(image: Image, name: string): Promise<TestImage> {
  await writeLayout({ amd64: image }, name, `${directory}/${name}`);
  return { source: `oci:${directory}/${name}:${name}`, digest: image.digest };
}

/** Of the node agent, as `npm run image` has made it. */
export function builtImage(): TestImage {
  const { tag, digests } = JSON.parse(readFileSync(`${distDirectory}/image-node-agent.json`, 'utf8'));
  return { source: `oci:${distDirectory}/image-node-agent:${tag}`, digest: digests.amd64 };
}

/** As scripts/test.ts has it made. */
const likeBuilt = { allowNewer: true, isQuick: true };

/** The same with a rootfs that has the file `/NAME` more. */
export async function updatedImage(name: string): Promise<TestImage> {
  const { files, image } = await toolsWith(name);
  return layout(composeImage(await nodeAgentImage(files, image, name, likeBuilt)), name);
}

/** The same with tools that have lost a layer: no node can install them. */
export async function brokenImage(name: string): Promise<TestImage> {
  const { files, image } = await toolsWith(name);
  const [, ...rest] = [...image.blobs].sort(([, one], [, other]) => other.length - one.length);
  const broken = { ...image, blobs: new Map(rest) };
  return layout(composeImage(await nodeAgentImage(files, broken, name, likeBuilt)), name);
}

/** The process that holds a Pod's namespaces. */
export async function pauseImage(): Promise<TestImage> {
  const content = readFileSync(await testProgram('pause'));
  const entry = { kind: 'file', path: 'pause', mode: 0o755, uid: 0, gid: 0, content } as const;
  const image = composeImage({
    architecture: 'amd64',
    epoch: 0,
    labels: {},
    environment: [],
    entrypoint: ['/pause'],
    layers: [await layerOf(await tarOf([entry], 0), 'gzip', 'test')],
  });
  return layout(image, 'pause');
}
