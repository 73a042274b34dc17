import { existsSync, readFileSync } from 'node:fs';
import type { Layout } from '../node/layout.ts';
import { offFiles } from '../node/off.ts';
import { CsiError } from './csi-error.ts';
import type { NodeHost } from './node-host.ts';
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
      const offBy = whyOff(host, layout);
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

/** @returns the host's file that turns the mounter off, by being there, or in its settings; undefined where it is on. */
export function whyOff(host: NodeHost, layout: Layout): string | undefined {
  const file = offFiles(layout).find((path) => existsSync(host.pathOf(path)));
  if (file !== undefined) return file;
  return [layout.nodeSettings, layout.manifest].find((path) => {
    try {
      return JSON.parse(readFileSync(host.pathOf(path), 'utf8')).enabled === false;
    } catch {
      return false;
    }
  });
}
