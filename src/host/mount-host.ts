import type { Command, FileStatus, Host, Outcome } from './host.ts';

/** What a mount takes of the world beside what every command does: the front alone has it. */
export interface MountHost extends Host {
  /** open(2) with O_PATH, through symlinks. @returns undefined where there is no such directory. */
  openDirectory(path: string): Descriptor | undefined;
  /** openat(2) with O_PATH, following no symlink, asking no server. @returns undefined where nothing has that name. */
  openIn(directory: Descriptor, name: string): Descriptor | undefined;
  /** What the kernel knows of it by itself. */
  statusOf(file: Descriptor): OpenStatus;
  /** Asks the filesystem of an open file whether it answers: within the limit, whatever it does. */
  isAlive(file: Descriptor, limitMs: number): Promise<Liveness>;
  close(file: Descriptor): void;
  /** Opens or makes a plain file, which is that user's then. @returns undefined where something else has that name. */
  openPlainFile(directory: Descriptor, name: string, user: number): PlainFile | undefined;
  /**
   * The last bytes of a plain file as text, none of those that it had already as `before`.
   * @returns undefined where there is none, or something else.
   */
  readEnd(path: string, maximumBytes: number, before: FileEnd): string | undefined;
  /**
   * Locks one number of 52 bits among all mounts on this node, at once or not at all. The lock ends with this process
   * and the guardian of its helper.
   * @param directory is locked itself where /run has no room for a file, or is read-only.
   * @returns whether it is ours.
   */
  lockTarget(number: number, directory: Descriptor): boolean;
  /** Lazily, following no symlink at the end of the path. @throws like node:fs. */
  detach(path: string): void;
  /** Likewise the topmost mount on an open directory, or what it is the root of. @returns false where there is none. */
  detachFrom(directory: Descriptor): boolean;
  /** @throws MounterError (system) where the kernel does not make it. */
  makeApart(request: ApartRequest): ApartSite;
  /** What `mountTable` of a site says. */
  readMountTable(site: ApartSite): string;
  /** Within its limit. @throws MounterError (system) when it can't be started; nothing of it runs then. */
  runHelper(command: HelperCommand): Promise<HelperRun>;
  /** Attaches what is mounted on the place of a site to its target. @returns undefined, or the name of an errno. */
  attach(site: ApartSite): string | undefined;
  /**
   * Reads a small file of /sys, writes what `next` makes of that, if anything, and reads it again; also where /sys is
   * read-only or missing here. @param path below /sys. @returns its text then.
   */
  changeKernelFile(path: string, next: (text: string) => string | undefined): KernelFile;
  /** Opens a TCP connection, and closes it at once. @param address IPv4 or IPv6, no name. */
  connect(address: string, port: number, limits: ConnectLimits): Promise<Connection>;
}

/** What a file of the kernel's has; or the name of the errno for which it could not be changed. */
export type KernelFile = { readonly text: string } | { readonly failure: string };

/** An open file of this process. */
export type Descriptor = number;

/** How far a file was written at a moment. Another file of that name, or a shorter one, has been begun anew since. */
export type FileEnd = Pick<FileStatus, 'inode' | 'size'>;

export interface PlainFile extends FileEnd {
  readonly descriptor: Descriptor;
}

export interface OpenStatus extends Pick<FileStatus, 'kind' | 'device' | 'inode'> {
  /** Nobody but root can put something else in the place of what is in it. */
  readonly isRootOnly: boolean;
  /** Of the mount that it lies on: field 1 of proc_pid_mountinfo(5). */
  readonly mountId: number;
}

/** What the kernel knows by itself of a directory. @returns undefined where there is no such directory. */
export function statusAt(path: string, host: MountHost): OpenStatus | undefined {
  const file = host.openDirectory(path);
  if (file === undefined) return undefined;
  const status = host.statusOf(file);
  host.close(file);
  return status;
}

/** Whether root alone can write in a file or directory of this owner, group and mode. */
export function isRootOnly({ uid, gid, mode }: { uid: number; gid: number; mode: number }): boolean {
  return uid === 0 && (mode & 0o002) === 0 && ((mode & 0o020) === 0 || gid === 0);
}

/** `dead`: its daemon is gone (ENOTCONN); `stale`: its server does not know it any more; `silent`: no answer in time. */
export type Liveness = 'alive' | 'dead' | 'stale' | 'silent';

/** What a mount made apart needs. */
export interface ApartRequest {
  /** The file that pins the mount namespace of helpers. */
  readonly pin: string;
  /** The target: the helper mounts on a directory of the same path. */
  readonly target: string;
  /** That the mount is attached to. */
  readonly targetFile: Descriptor;
  /** The directory in it that gets a filesystem of its own: an identity mount of the manifest. */
  readonly directory: string;
  /** Likewise for what a daemon writes beside its log. */
  readonly scratch: readonly string[];
  /** The user that the helper becomes: those directories are that one's. */
  readonly user: number;
  /** A plain file of the host's, and the path that it is to have there. */
  readonly file: { readonly path: string; readonly descriptor: Descriptor } | undefined;
}

/** A mount namespace of this call's own, which is gone with it. */
export interface ApartSite {
  readonly kind: 'apart';
  readonly namespace: Descriptor;
  /** mountinfo as a process in that namespace sees it, of the moment when it is read. */
  readonly mountTable: Descriptor;
  readonly place: string;
  readonly targetFile: Descriptor;
}

/** The rootfs itself: what is mounted on the place propagates to the target, which has the same path. */
export interface ChrootSite {
  readonly kind: 'chroot';
  readonly directory: string;
  readonly place: string;
  /** Opened when nothing was mounted on it. */
  readonly targetFile: Descriptor;
}

export interface Privileges {
  /** Names of capabilities(7) without `CAP_`. */
  readonly capabilities: readonly string[];
  /** What it becomes. */
  readonly user: number;
  readonly group: number;
}

export interface HelperCommand extends Omit<Command, 'inside'> {
  readonly site: ApartSite | ChrootSite;
  /** It leaves a daemon behind, which ends with us until the mount is attached, or `release` is called. */
  readonly leavesDaemon: boolean;
  /** What it keeps of root's; undefined: all. */
  readonly privileges: Privileges | undefined;
  readonly environment: Readonly<Record<string, string>>;
  /** Called when the helper, or what it runs, writes to descriptor 3. */
  readonly onNotice?: (() => void) | undefined;
}

export interface HelperRun extends Outcome {
  /** Of a command with `leavesDaemon`. */
  readonly guardian: Guardian | undefined;
}

/** It ends what a helper has left when we end, however we do. */
export interface Guardian {
  /** Attaches as `MountHost.attach`, and leaves the daemons to themselves where that succeeds. */
  attach(limitMs: number): Promise<Left>;
  /** Leaves the daemons to themselves: the mount is in its place. */
  release(limitMs: number): Promise<Left>;
  /** Ends helper and daemons, and returns when they have ended. */
  end(): Promise<void>;
}

export interface Left {
  /**
   * The name of an errno; undefined: attached. ECONNRESET, ETIMEDOUT, and `stopped` where a signal had stopped it: the
   * guardian was ended, before or after that.
   */
  readonly failure: string | undefined;
  /** The pids of daemons that go on. */
  readonly daemons: readonly number[];
}

export interface ConnectLimits {
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

/**
 * What came of a connection. `forbidden`: this node's own firewall or routes do not let it out; `noFamily`: there is no
 * address here to begin it from; `unknown` is what says nothing about the server: our own limits, an abort.
 */
export type Connection = 'open' | 'refused' | 'noRoute' | 'forbidden' | 'noFamily' | 'silent' | 'unknown';

/** What it takes to show a volume in several places, and to take it away again: the front alone has it. */
export interface VolumeHost extends MountHost {
  /** mkdir(2) in an open directory. @throws like node:fs, also where something has that name. */
  makeDirectoryIn(directory: Descriptor, name: string): void;
  /** rmdir(2), or unlink(2) of an empty plain file. @returns undefined, or the name of an errno. */
  removeIn(directory: Descriptor, name: string): string | undefined;
  /**
   * Attaches a copy of the mount that shows an open file to an open directory.
   * @param flags of the copy: those of the mount, and more.
   * @returns undefined, or the name of an errno.
   */
  attachCopy(file: Descriptor, flags: readonly MountFlag[], target: Descriptor): string | undefined;
  /** Asks the server of an open file, for as long as that takes. @returns what there is, or the name of an errno. */
  spaceOf(file: Descriptor): Space | string;
  /**
   * Unmounts what is on top of `name` in an open directory, following no symlink, in a process that is left behind where
   * it does not come back.
   * @returns undefined, the name of an errno, or 'silent' where it has not come back within the limit.
   */
  unmountIn(
    directory: Descriptor,
    name: string,
    how: UnmountHow,
    limitMs: number,
  ): Promise<string | undefined>;
}

/** Of the filesystem of a volume; inodes are 0 where it counts none. */
export interface Space {
  readonly bytes: { readonly total: number; readonly free: number; readonly available: number };
  readonly inodes: { readonly total: number; readonly free: number };
}

/** The flags of one mount, whatever those of its filesystem. @see mount_setattr(2) */
export const mountFlagNames = ['ro', 'nosuid', 'nodev', 'noexec'] as const;
export type MountFlag = (typeof mountFlagNames)[number];

/**
 * `plain` writes back what its server lacks; `force` fails what waits for that; `detach` waits for nothing.
 * @see umount(2)
 */
export type UnmountHow = 'plain' | 'force' | 'detach';
