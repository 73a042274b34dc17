import { fileHost } from '../host/file-host.ts';
import type { Manifest } from '../manifest/manifest.ts';
import { effectiveManifest } from '../manifest/node-settings.ts';
import type { Layout } from '../node/layout.ts';
import { whyOff } from '../node/off.ts';
import { CsiError } from './csi-error.ts';
import { type NodeHost, readFileOf } from './node-host.ts';
import type { Answers } from './server.ts';

/**
 * A mounter that is turned off hands its arguments to the host's own mount(8), which takes none of a driver's and says
 * something of an unknown option: whoever reads the Pod's events is told what it comes from.
 */
export function explainingOff(node: Answers<'Node'>, host: NodeHost, layout: Layout): Answers<'Node'> {
  const explained = async <T>(answer: T | Promise<T>): Promise<T> => {
    try {
      return await answer;
    } catch (error) {
      const offBy = whyOffOn(host, layout);
      if (offBy === undefined || !(error instanceof CsiError) || error.failure !== undefined) throw error;
      throw new CsiError(
        'UNAVAILABLE',
        `the mounter is turned off on this node, by ${offBy}; run mounter enable on it, or turn the fleet's gate on`,
      );
    }
  };
  return {
    ...node,
    NodeStageVolume: (request, signal) => explained(node.NodeStageVolume(request, signal)),
    NodePublishVolume: (request, signal) => explained(node.NodePublishVolume(request, signal)),
  };
}

/** What turns the mounter off on the node, in words; undefined where it is on, or its settings are not valid. */
export function whyOffOn(host: NodeHost, layout: Layout): string | undefined {
  const { lstat, readText } = fileHost;
  const onHost = {
    lstat: (path: string) => lstat(host.pathOf(path)),
    readText: (path: string) => readText(host.fileOf(path)),
  };
  return whyOff(onHost, layout, settingsOf(host, layout));
}

function settingsOf(host: NodeHost, { manifest, nodeSettings }: Layout): Manifest | undefined {
  const [shipped, own] = [manifest, nodeSettings].map((path) => readFileOf(host.fileOf(path)));
  try {
    return shipped && effectiveManifest(shipped, own);
  } catch {
    return undefined; // Whoever mounts says what is wrong with them.
  }
}
