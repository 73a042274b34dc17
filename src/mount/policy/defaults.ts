import type { Filesystem } from '../../manifest/manifest.ts';

/**
 * What no mount may ask for where the manifest says nothing: everything that would make a helper run another
 * program, mount something else than the source, or write a file of the asker's choice. Whoever writes a Pod
 * or a PersistentVolume chooses the options; the helper is root.
 */

/** Of libmount, which mount.nfs and others read their options with. @see mount(8), util-linux 2.34 … 2.41 */
const ofLibmount = [
  // Another operation than this mount, done with the same words.
  'bind',
  'rbind',
  'move',
  'beneath',
  // The propagation of the new mount: it would not reach the host, or not go with the Pod.
  ...['shared', 'slave', 'private', 'unbindable'].flatMap((type) => [type, `r${type}`]),
  // A file of the rootfs as a block device, a dm-verity device.
  'loop',
  'offset',
  'sizelimit',
  'encryption',
  'verity.*',
  // mkdir, chown and chmod of the target, a mount namespace, a sub-directory entered by path.
  'x-mount.*',
  // Kept in /run/mount/utab: the host's umount(8) later runs umount.VALUE.
  'helper',
  'uhelper',
];

/** Of mount.glusterfs and glusterfs(8), glusterfs 3.7 … 11. */
const ofGlusterfs = [
  // Any option of any translator, those that name files and programs among them.
  'xlator-option',
  // Handed to mount(2) and fusermount unread; what is harmless in it has an option of its own.
  'fuse-mountopts',
  'dump-fuse',
  'pid-file',
  'socket-file',
  // A volume file of the asker's: which code is loaded, with which files.
  'volfile',
  'volfile-id',
  'logger',
  'print-exports',
  'print-netgroups',
  // The server is then the path of a socket.
  'transport=unix',
];

export const defaultForbidden: Readonly<Record<Filesystem['kind'], readonly string[]>> = {
  nfs: ofLibmount,
  glusterfs: [...ofLibmount, ...ofGlusterfs],
  generic: ofLibmount,
};

/** What no manifest can allow, and why. */
export interface NeverAllowed {
  readonly option: string;
  readonly message: string;
  readonly hint: string;
}

/** Wherever one stands among the options: what would win later on is not waited for. */
export const neverAllowed: readonly NeverAllowed[] = [
  {
    option: 'bg',
    message:
      'mount.nfs would report success with nothing mounted, and a daemon would keep trying for ever; ' +
      'no policy.options of the manifest allows that',
    hint: 'leave bg out: kubelet tries a failed mount again by itself',
  },
  {
    // It acts on whatever is mounted on the target, by whomever, and would act on this call's own place alone.
    option: 'remount',
    message:
      'mounter makes mounts, and changes none that is there; no policy.options of the manifest allows that',
    hint: 'umount the target, and mount it again with the options that it is to have, without remount',
  },
];

/** Options whose value is a file that a helper writes: only where kubelet, and no container, can. */
export const fileOptions: readonly string[] = ['log-file', 'dump-fuse', 'pid-file', 'socket-file'];
