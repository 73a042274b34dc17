import type { Host } from '../host/host.ts';
import { defaultPlace, type RecordPlace } from '../manifest/record-place.ts';
import type { Layout } from '../node/layout.ts';
import { readManifestIfThere } from '../node/node.ts';

/** Where this node's record is; the same place as when it is written. @throws MounterError for a bad manifest. */
export async function recordPlace(host: Host, layout: Layout): Promise<RecordPlace> {
  return (await readManifestIfThere(host, layout))?.log ?? defaultPlace;
}
