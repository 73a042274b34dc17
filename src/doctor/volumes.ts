import { shellWord } from '../shell-word.ts';
import { askStates, firstOfEach, serverOf, statfsArgv, type VolumeAnswer } from '../volumes/states.ts';
import { type Volume, volumesOf } from '../volumes/volumes.ts';
import type { DoctorContext } from './context.ts';
import { type Advice, ok, warning } from './finding.ts';

/** Whether each network volume answers. */

export async function checkVolumes(context: DoctorContext): Promise<readonly Advice[]> {
  const { manifest, entries, runBounded, root, host } = context;
  const volumes = firstOfEach(volumesOf(manifest, entries), entries);
  if (volumes.length === 0) return [ok('volumes', 'none is mounted')];
  const statfs = statfsArgv(root, host);
  if (statfs === undefined)
    return [warning('volumes', 'are not asked: this host has no stat(1)', 'see each with findmnt and ls')];
  const answers = await askStates(volumes, entries, statfs, runBounded);
  const found = volumes.flatMap((volume) => judgeVolume(volume, answers.get(volume.target)));
  const unasked = volumes.filter(({ target }) => answers.get(target)?.state === 'not-asked').length;
  if (unasked > 0) return [...found, notAsked(unasked, found.length > 0)];
  return found.length > 0 ? found : [ok('volumes', `${volumes.length} mounted, each answers`)];
}

/** @returns nothing for a volume that is well, and for one that was not asked. */
export function judgeVolume(volume: Volume, answer: VolumeAnswer | undefined): readonly Advice[] {
  const fault = answer === undefined ? undefined : faultOf(volume, answer);
  return fault === undefined ? [] : [warning(volume.target, ...fault)];
}

/** What is wrong with it, and what to do. */
function faultOf(
  { source, target, fstype }: Volume,
  { state, words }: VolumeAnswer,
): readonly [message: string, hint: string] | undefined {
  const server = serverOf(source);
  switch (state) {
    case 'alive':
    case 'not-asked':
      return undefined;
    case 'silent':
      return [
        `hangs: ${fstype.startsWith('fuse') ? `${server}, or the FUSE daemon,` : server} does not answer for ${source} (${fstype})`,
        `bring ${server} back, and it goes on; else run umount -f -l ${shellWord(target)}`,
      ];
    case 'dead':
      return [
        `the FUSE daemon of ${source} is gone, or has lost its servers (Transport endpoint is not connected)`,
        `see whether ${server} serves it: the volume goes on by itself then; else run umount ${shellWord(target)}, and have its Pods started anew`,
      ];
    case 'stale':
      return [
        `is stale: ${server} no longer knows what was mounted (Stale file handle)`,
        `run umount -l ${shellWord(target)}, and have its Pods started anew; see whether the export was made anew`,
      ];
    case 'error':
      return [`${source} answers with an error: ${words}`, `see ${server} and its log`];
    default:
      return state satisfies never;
  }
}

function notAsked(count: number, hasFaults: boolean): Advice {
  return warning(
    'volumes',
    `${count} ${hasFaults ? 'more ' : ''}were not asked: there was no time left${hasFaults ? '' : ', for this node is slow now'}`,
    `${hasFaults ? 'see the servers above first, then ' : ''}run mounter doctor again`,
  );
}
