import { allTraits } from '../mount/filesystems/all.ts';
import { shellWord } from '../shell-word.ts';
import { type Volume, volumesOf } from '../volumes/volumes.ts';
import { type DoctorContext, localVolumeDirectories } from './context.ts';
import { type Advice, ok, warning } from './finding.ts';
import { type KnownPods, knownPods, namesIn } from './pods.ts';

/**
 * Volumes of Pods that are gone. Only the API server knows for sure which Pods there are; on the node it
 * shows in three places. kubelet makes `pods/UID/plugins` before it mounts a Pod's first volume, and the
 * Pod's control group before that; and it keeps `/var/log/pods/NAMESPACE_NAME_UID` for as long as the Pod
 * exists. A volume below `pods/UID` is orphaned when `plugins` is missing, or when kubelet's control groups are
 * there, this Pod's is not, and neither are its logs. What was mounted by hand, in a directory that has no
 * UID for its name, is left alone.
 */
export function checkOrphans({ manifest, entries }: DoctorContext): readonly Advice[] {
  const known = knownPods();
  const directories = localVolumeDirectories({ manifest, entries });
  const orphans = volumesOf(manifest, entries).flatMap((volume) =>
    directories.flatMap(({ host: directory }) => {
      const uid = podOf(directory, volume);
      if (uid === undefined) return [];
      return isGone(uid, namesIn(`${directory}/pods/${uid}`), known) ? [orphan(volume, uid)] : [];
    }),
  );
  return orphans.length > 0 ? orphans : [ok('volumes', 'none is left of a Pod that is gone')];
}

/** A random UID, or the hash that a static Pod has. */
const uidPattern = /^([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{32})$/;

export function podOf(directory: string, { target }: Pick<Volume, 'target'>): string | undefined {
  if (!target.startsWith(`${directory}/pods/`)) return undefined;
  const name = target.slice(`${directory}/pods/`.length).split('/')[0] ?? '';
  return uidPattern.test(name) ? name : undefined;
}

/** @param names of what is in its directory. */
export function isGone(uid: string, names: readonly string[], { groups, logs }: KnownPods): boolean {
  if (!names.includes('plugins')) return true;
  return groups !== undefined && !groups.has(uid) && !logs.has(uid);
}

function orphan({ source, target }: Volume, uid: string): Advice {
  return warning(
    target,
    `${source} is mounted for Pod ${uid}, of which the node has no other trace`,
    `see whether kubectl get pods -A -o yaml still has this UID; if not, run umount ${shellWord(target)}`,
  );
}

/**
 * Volumes of Pods with `hostUsers: false`. Their containers do not start, in every cluster: the runtime maps the users of
 * each volume, which the kernel refuses for these filesystems. kubelet keeps the users that it has given a Pod in
 * `pods/UID/userns`.
 */
export function checkUsers({ host, manifest, entries }: DoctorContext): readonly Advice[] {
  const types = allTraits.filter(({ canMapUsers }) => !canMapUsers).flatMap(({ kernelTypes }) => kernelTypes);
  const volumes = volumesOf(manifest, entries).filter(({ fstype }) => types.includes(fstype));
  return localVolumeDirectories({ manifest, entries }).flatMap(({ host: directory }) =>
    volumes.flatMap((volume) => {
      const uid = podOf(directory, volume);
      const hasOwn = uid !== undefined && host.lstat(`${directory}/pods/${uid}/userns`)?.kind === 'file';
      return hasOwn ? [withOwnUsers(volume, uid)] : [];
    }),
  );
}

function withOwnUsers({ source, target, fstype }: Volume, uid: string): Advice {
  return warning(
    target,
    `${source} is mounted for Pod ${uid}, which has hostUsers: false: no container of it starts with a volume of ${fstype}, of which Linux cannot map the users (failed to set MOUNT_ATTR_IDMAP)`,
    'take hostUsers: false out of this Pod, or the volume',
  );
}
