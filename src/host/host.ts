/**
 * The port to the world: `src/mount` and the parts of `src/rootfs` it uses see nothing else, no `node:` module, so
 * that the front's engine can stand behind it and tests can put their own model there. What a mount alone takes is
 * in mount-host.ts.
 */
export interface Host {
  /** The effective user id. */
  effectiveUserId(): number;
  /** @returns the file's text, or undefined when it does not exist, or its process any more. @throws on any other failure. */
  readText(path: string): string | undefined;
  /** Replaces whatever has that name, a symlink too, by one rename; any number of writers at once. @throws when it can't. */
  replaceText(path: string, text: string, mode: number): void;
  /** open(2) with O_EXCL. @returns false when something has that name. @throws when it can't be made. */
  createText(path: string, text: string, mode: number): boolean;
  /** unlink(2); a missing file is no error. @throws when it can't be removed. */
  remove(path: string): void;
  /** The names in a directory. @throws when it can't be read. */
  list(path: string): readonly string[];
  /** mkdir(2). @throws when it can't be made. */
  makeDirectory(path: string, mode: number): void;
  /** lstat(2). @returns undefined when nothing is there (ENOENT, ENOTDIR, ELOOP). */
  lstat(path: string): FileStatus | undefined;
  /** readlink(2). @returns undefined when nothing is there, or no symlink. */
  readLink(path: string): string | undefined;
  /** stat(2), through symlinks. @returns undefined when nothing is there, or a symlink leads to itself. */
  stat(path: string): FileStatus | undefined;
  /** The path without symlinks, by O_PATH: no server is asked. @returns undefined when nothing is there. */
  realPath(path: string): string | undefined;
  /** Every process, by what never waits for it; only what is still there while reading. */
  processes(): readonly ProcessInformation[];
  /** Sends `signal` to one process, or to a process group when `pid` is negative; a missing one is no error. */
  kill(pid: number, signal: 'SIGTERM' | 'SIGKILL'): void;
  /** The absolute path of a program of the host's. @throws MounterError (system) when there is none. */
  findProgram(name: string): string;
  /** Runs a program to its end, within its limit. */
  run(command: Command): Promise<Outcome>;
  sleep(milliseconds: number): Promise<void>;
  /** Monotonic, in milliseconds. */
  now(): number;
}

/** The front looks a field up when it is asked for: a spread of one (`{ ...status }`) has none of them. */
export interface FileStatus {
  readonly kind: 'directory' | 'file' | 'symlink' | 'device' | 'other';
  readonly device: number;
  readonly inode: number;
  readonly isExecutable: boolean;
  /** It is root's, and nobody else may write to it. */
  readonly isRoots: boolean;
  /** In bytes. */
  readonly size: number;
  /** ctime, in milliseconds since 1970, with fractions. */
  readonly changedMs: number;
}

/** Two statuses of one and the same file or directory, seen through different mounts perhaps. */
export function isSameFile(
  a: Pick<FileStatus, 'device' | 'inode'> | undefined,
  b: Pick<FileStatus, 'device' | 'inode'> | undefined,
): boolean {
  return a !== undefined && b !== undefined && a.device === b.device && a.inode === b.inode;
}

export interface ProcessInformation {
  readonly pid: number;
  /** Its program's, of which the kernel keeps 15 bytes; a process can call itself what it likes. */
  readonly name: string;
  /** What it executes, as it is called in its mount namespace; an interpreter where that is a script. */
  readonly executable: string | undefined;
  /**
   * The root directory, in words of the process's mount namespace, where anybody can have a directory of that name.
   * Undefined for zombies, where only root may see it, and in another user namespace, where anybody can change it.
   */
  readonly root: string | undefined;
  /** As /proc/PID/ns/mnt has it, such as `mnt:[4026531841]`; undefined where `root` is. */
  readonly mountNamespace: string | undefined;
  /** It is in the network namespace that we are in, and shares our ports and our rpcbind. */
  readonly isInOurNetwork: boolean;
}

export interface Command {
  /** The program's absolute path, then its arguments; inside a rootfs its name is enough. */
  readonly argv: readonly string[];
  /** The rootfs that is to be its root directory; left out, it runs on the host. */
  readonly inside?: RootfsEntrance | undefined;
  /** After this SIGTERM goes to the whole process group, after `terminateMs` more SIGKILL. */
  readonly deadlineMs: number;
  readonly terminateMs: number;
  /** Ends it like an interrupt, as soon as it is aborted. This and the watchdog are heeded by the front, which mounts. */
  readonly signal?: AbortSignal | undefined;
  readonly watchdog?: Watchdog | undefined;
}

/** How a process gets a rootfs for its root directory. */
export type RootfsEntrance =
  /** chroot(2) */
  | { readonly kind: 'chroot'; readonly directory: string }
  /** setns(2) with a mount namespace, whose root directory is the rootfs: the file that pins it, or a symlink to it. */
  | { readonly kind: 'namespace'; readonly file: string };

/** What to do about a command that takes longer than one that goes well. */
export interface Watchdog {
  /** The command still runs after this: from now on it is asked after, once, while it runs on. */
  readonly afterMs: number;
  /**
   * Whether the command can't come to anything: `true` ends it as its deadline would, an error does not.
   * @param over aborted when the command has ended; a moment later where it has failed, for the answer may say why.
   */
  shouldAbort(over: AbortSignal): Promise<boolean>;
}

/** How a command ended. */
export interface Outcome {
  /** The exit status; 128 + N when signal N ended it. */
  readonly status: number;
  /** What ended it before its own end: its deadline, a signal to us (or an abort), or `Command.watchdog`. */
  readonly endedBy: 'itself' | 'deadline' | 'interrupt' | 'watchdog';
  /** Its stdout and stderr as they came, at most the last 64 KiB. */
  readonly output: string;
}
