import { type MountEntry, mountsBelow } from '../host/mountinfo.ts';
import type { SharedDirectory } from '../manifest/shared-mounts.ts';
import { leftInOldVersions } from '../prepare/retire.ts';
import { isCopy, isCounterpart } from '../prepare/shared-mount.ts';
import { shellWord } from '../shell-word.ts';
import { volumesBelow } from '../volumes/volumes.ts';
import { type DoctorContext, localVolumeDirectories } from './context.ts';
import { type Advice, ok, warning } from './finding.ts';

/** Mounts that are there more often than they need to be: every copy of the kubelet directory doubles every volume. */
export function checkDuplicates(context: DoctorContext): readonly Advice[] {
  const { root, entries } = context;
  const old = leftInOldVersions(root, context, entries).map(({ entry }) =>
    warning(
      entry.mountPoint,
      'a version that is no longer in use still has it: each volume is copied there once more',
      'run mounter prepare; mounter versions shows what still runs from that version',
    ),
  );
  const directories = localVolumeDirectories(context);
  return [...old, ...directories.flatMap((directory) => judgeDuplicates(directory, entries))];
}

export function judgeDuplicates(
  directory: SharedDirectory,
  entries: readonly MountEntry[],
): readonly Advice[] {
  const { host } = directory;
  const found = [
    ...stackedDirectory(directory, entries),
    ...stackedVolumes(host, entries).map(({ mountPoint, source }) =>
      warning(
        mountPoint,
        `${source} is mounted there more than once`,
        'run mounter doctor --repair, which unmounts the upper one',
      ),
    ),
    ...surplusViews(directory, entries),
  ];
  return found.length === 0 ? [ok(host, 'no mount is there twice')] : found;
}

function stackedDirectory(directory: SharedDirectory, entries: readonly MountEntry[]): readonly Advice[] {
  const layers = entries.filter(({ mountPoint }) => mountPoint === directory.host);
  if (layers.length < 2) return [];
  const message = `is mounted ${layers.length} times, one over the other`;
  const isCopied = layers.every((layer, index) => index === 0 || isCopy(layer, layers[index - 1], entries));
  return [
    isCopied
      ? warning(directory.host, message, 'run mounter prepare, or mounter doctor --repair')
      : warning(
          directory.host,
          message,
          `run umount ${shellWord(directory.host)} once no volume is mounted (drain the node first), for each but the lowest`,
        ),
  ];
}

/** Each volume that only repeats the very same mount under it, from the topmost. */
export function stackedVolumes(host: string, entries: readonly MountEntry[]): readonly MountEntry[] {
  const byId = new Map(entries.map((entry) => [entry.mountId, entry]));
  return mountsBelow(entries, host)
    .filter((entry) => {
      const under = byId.get(entry.parentId);
      return (
        under?.mountPoint === entry.mountPoint && under.device === entry.device && under.root === entry.root
      );
    })
    .reverse();
}

/** More lines of mountinfo for a volume than the host and the rootfs need. */
function surplusViews(directory: SharedDirectory, entries: readonly MountEntry[]): readonly Advice[] {
  const stacked = new Set(stackedVolumes(directory.host, entries).map(({ mountPoint }) => mountPoint));
  const views = new Set(
    entries.filter((entry) => isCounterpart(entry, directory)).map(({ mountPoint }) => mountPoint),
  );
  const surplus = volumesBelow(directory, entries).filter(
    (volume) => volume.entries > 1 + views.size && !stacked.has(volume.target),
  );
  const [first, ...others] = surplus;
  if (first === undefined) return [];
  const more = others.length === 0 ? '' : `, and so do ${others.length} more volumes`;
  return [
    warning(
      first.target,
      `takes ${first.entries} mounts where ${1 + views.size} would do${more}`,
      'run mounter prepare now, and once more after the node was drained',
    ),
  ];
}
