import type { Privileges } from '../host/mount-host.ts';
import type { FilesystemKind } from '../manifest/filesystem-kinds.ts';
import type { FilesystemDriver, SecurityPurpose } from './filesystems/filesystem-driver.ts';

/** All that a mount does, decided before anything is done; `--dry-run` prints it. */
export interface MountPlan {
  readonly fstype: string;
  readonly kind: FilesystemKind;
  readonly driver: FilesystemDriver;
  readonly source: string;
  /** The servers that the helper asks for it, its own first; undefined where they cannot be told. */
  readonly servers: readonly string[] | undefined;
  readonly target: string;
  /** The helper's path in the rootfs. */
  readonly helper: string;
  /** As the helper gets them; '' when there are none. */
  readonly options: string;
  /** The helper's mount is served by a daemon that it leaves running. */
  readonly leavesDaemon: boolean;
  /** Where that writes its log; undefined for a helper without one. */
  readonly logFile: LogFile | undefined;
  /** What the options tell the helper to write. */
  readonly writtenFiles: readonly WrittenFile[];
  /** What the helper keeps of root's where it mounts apart. */
  readonly privileges: Privileges;
  /** Where a failure of its servers is remembered for a while; undefined when none is. */
  readonly failureCache: string | undefined;
  /** What the manifest's policy has added to the request, a sentence each: said on stderr. */
  readonly notices: readonly string[];
  readonly steps: readonly MountStep[];
}

export interface LogFile {
  readonly inRootfs: string;
  /** The same path where no mount of the manifest brings it from elsewhere: then the host has no such file. */
  readonly onHost: string;
}

/** A file that a helper is told to write, and what of it has to be looked at before the helper does. */
export interface WrittenFile {
  readonly option: string;
  readonly path: string;
  readonly identityMount: string;
}

export interface RunHelper {
  readonly kind: 'runHelper';
  /** As it is inside the rootfs. */
  readonly argv: readonly string[];
  /** In its environment; left out where there are none. */
  readonly secrets?: Readonly<Record<string, string>>;
}

/** How far the kernel reads ahead in the filesystem of the mount. */
export interface SetReadAhead {
  readonly kind: 'setReadAhead';
  readonly kib: number;
  /** An option of the volume, which counts for more than the settings of the node. */
  readonly isOfVolume: boolean;
}

export type MountStep =
  /** The helper is there, in the rootfs that is there. */
  | { readonly kind: 'checkHelper'; readonly path: string }
  /** resolv.conf of the rootfs, where it is merged from the host's, which may have changed. */
  | { readonly kind: 'refreshResolver' }
  /** The rootfs's copies of what helpers read in the node's /etc, which may have changed. */
  | { readonly kind: 'copyNodeFiles' }
  | { readonly kind: 'checkDevice'; readonly path: string }
  /** A directory, no symlink on the way below `identityMount`; or mounted already. */
  | { readonly kind: 'checkTarget'; readonly identityMount: string }
  /** A file that the helper is told to write: absent or a plain file, by a way that root alone can change. */
  | ({ readonly kind: 'checkFile' } & WrittenFile)
  /** Its servers were not found unreachable a moment ago. */
  | { readonly kind: 'checkServer' }
  /** rpcbind and rpc.statd answer. */
  | { readonly kind: 'provideLockServices' }
  /** So do rpc.gssd and rpc.idmapd, or tlshd. */
  | { readonly kind: 'provideSecurityServices'; readonly purpose: SecurityPurpose }
  | RunHelper
  /** Something is mounted, and it is what was asked for. */
  | { readonly kind: 'verifyMounted' }
  /** The same as provideLockServices, when mount.nfs settled for v3. */
  | { readonly kind: 'provideLockServicesIfVersion3' }
  | SetReadAhead
  /** The mount comes to the target, for good. */
  | { readonly kind: 'attach' };
