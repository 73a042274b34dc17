import type { TextFile } from '../../manifest/node-settings.ts';
import { type BareNode, readNodeSettings } from '../../node/node.ts';
import type { ImageContent } from '../content.ts';
import { requireSigned } from '../signatures/demands.ts';
import type { SourceOptions } from '../source.ts';
import { isManifest, recordedManifest } from './node-edits.ts';

/**
 * Refuses an image that this node, or the caller, takes with a signature only. Asked are the manifest that the node has,
 * the one that was named for the image, and the node's own settings over both; never one inside the image.
 * @throws MounterError
 */
export async function requireSignedHere(
  content: ImageContent,
  request: {
    readonly fetch: Pick<SourceOptions, 'progress'>;
    readonly verifyKeys: readonly string[];
    readonly manifest?: TextFile | undefined;
  },
  node: BareNode,
): Promise<void> {
  const { verifyKeys, manifest, fetch } = request;
  const shipped = [installedManifest(node), manifest].filter((file) => file !== undefined);
  const own = readNodeSettings(node.host, node.layout);
  const report = (message: string) => fetch.progress({ kind: 'detail', message });
  await requireSigned(content, { verifyKeys, shipped, own }, report);
}

/** One that is damaged is about to be mended; what it asked for, the record of the version knows. */
function installedManifest({ host, layout }: BareNode): TextFile | undefined {
  const path = layout.manifest;
  const placed = host.readText(path);
  const text = placed === undefined || isManifest(placed) ? placed : recordedManifest(layout);
  return text === undefined ? undefined : { path, text };
}
