import type { Answered, Client } from './driver.ts';
import type { TestVolume } from './requests.ts';

/** How long the calls of each method took, in ms. */
export type Durations = ReadonlyMap<string, readonly number[]>;

/** The whole life of each volume, all of them at once. @throws Error where a call fails. */
export async function liveAtOnce(client: Client, volumes: readonly TestVolume[]): Promise<Durations> {
  const durations = new Map<string, number[]>();
  const timed = async (method: string, request: object) => {
    const { code, message, ms } = await client.call('Node', `Node${method}`, request);
    if (code !== 'OK') throw new Error(`${method}: ${code}: ${message}`);
    durations.set(method, [...(durations.get(method) ?? []), ms]);
  };
  await Promise.all(
    volumes.map(async (volume) => {
      await timed('StageVolume', volume.staged);
      await timed('PublishVolume', volume.published(1));
      await timed('GetVolumeStats', { volumeId: 'x', volumePath: volume.target(1) });
      await timed('UnpublishVolume', volume.unpublished(1));
      await timed('UnstageVolume', volume.unstaged);
    }),
  );
  return durations;
}

/** What kubelet may ask of volumes whose server is silent. @param staged are published for Pod 1, the others not staged. */
export function askDead(
  client: Client,
  staged: readonly TestVolume[],
  others: readonly TestVolume[],
  seconds: number,
): Promise<readonly Answered[]> {
  const call = (method: string, request: object) => client.call('Node', `Node${method}`, request, seconds);
  return Promise.all([
    ...others.map((volume) => call('StageVolume', volume.staged)),
    ...staged.flatMap((volume) => [
      call('GetVolumeStats', { volumeId: 'x', volumePath: volume.target(1) }),
      call('PublishVolume', volume.published(2)),
      call('UnpublishVolume', volume.unpublished(1)),
    ]),
  ]);
}
