import { enteringArgv } from '../host/enter.ts';
import type { MountEntry } from '../host/mountinfo.ts';
import { findProgram } from '../host/programs.ts';
import type { Answer } from '../host/question.ts';
import { rootfsEntry } from '../rootfs/enter.ts';
import { type Volume, volumesOf } from '../rootfs/volumes.ts';
import { askVolumes } from './ask-volumes.ts';
import type { DoctorContext } from './context.ts';
import { type Finding, ok, warning } from './finding.ts';

/** Each network volume is asked for its statfs(2), which goes to the server whatever is cached. */

export async function checkVolumes(context: DoctorContext): Promise<readonly Finding[]> {
  const { manifest, entries, ask } = context;
  const volumes = firstOfEach(volumesOf(manifest, entries), entries);
  if (volumes.length === 0) return [ok('volumes', 'volumes', 'none is mounted')];
  const statfs = statfsProgram(context);
  const targets = volumes.map(({ target }) => target);
  const answers = await askVolumes(targets, (some, limitMs) => ask([...statfs, ...some], limitMs));
  const found = volumes
    .filter(({ target }) => answers.has(target))
    .flatMap((volume) => judgeVolume(volume, answers.get(volume.target)));
  const unasked = volumes.length - answers.size;
  if (unasked > 0) return [...found, notAsked(unasked)];
  return found.length > 0 ? found : [ok('volumes', 'volumes', `${volumes.length} mounted, each answers`)];
}

/** By the host's stat(1); a minimal host has none, and the rootfs sees the same volumes. */
function statfsProgram({ root, host }: DoctorContext): readonly string[] {
  const words = ['-f', '--'];
  try {
    return [findProgram('stat'), ...words];
  } catch {
    return enteringArgv(rootfsEntry(root, host), ['stat', ...words]);
  }
}

/** What is mounted in several places is asked once; two exports may be one filesystem, and one of them stale. */
function firstOfEach(volumes: readonly Volume[], entries: readonly MountEntry[]): readonly Volume[] {
  const byTarget = new Map(entries.map((entry) => [entry.mountPoint, entry]));
  const byKey = new Map<string, Volume>();
  for (const volume of volumes) {
    const entry = byTarget.get(volume.target);
    const key = entry === undefined ? volume.target : `${entry.device} ${entry.root} ${entry.source}`;
    if (!byKey.has(key)) byKey.set(key, volume);
  }
  return [...byKey.values()];
}

/** @param answer of stat -f to its target; undefined when there was none. */
export function judgeVolume(
  { source, target, fstype }: Volume,
  answer: Answer | undefined,
): readonly Finding[] {
  const server = serverOf(source);
  if (answer === undefined)
    return [
      warning(
        'volumes',
        target,
        `hangs: ${fstype.startsWith('fuse') ? `${server}, or the FUSE daemon,` : server} does not answer for ${source} (${fstype})`,
        `bring ${server} back, and it goes on; else umount -f ${target}, or umount -l`,
      ),
    ];
  if (answer.status === 0) return [];
  if (answer.output.includes('Transport endpoint is not connected'))
    return [
      warning(
        'volumes',
        target,
        `the FUSE daemon of ${source} is gone (Transport endpoint is not connected)`,
        `umount ${target}, and have its Pods started anew: kubelet mounts it again`,
      ),
    ];
  if (/Stale (NFS )?file handle/.test(answer.output))
    return [
      warning(
        'volumes',
        target,
        `is stale: ${server} no longer knows what was mounted (Stale file handle)`,
        `umount -l ${target}, and have its Pods started anew; see whether the export was made anew`,
      ),
    ];
  return [
    warning(
      'volumes',
      target,
      `${source} answers with an error: ${answer.output.trim().split('\n').at(-1)}`,
      `see ${server} and its log`,
    ),
  ];
}

/** `server` of `server:/path`, `[fd00::5]:/path` or `//server/share`. */
export function serverOf(source: string): string {
  return /^\/\/([^/]+)/.exec(source)?.[1] ?? /^(\[[^\]]*\]|[^:]+)/.exec(source)?.[1] ?? source;
}

function notAsked(count: number): Finding {
  return warning(
    'volumes',
    'volumes',
    `${count} more were not asked: there was no time left`,
    'see the servers above first, then run mounter doctor again',
  );
}
