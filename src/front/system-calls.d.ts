/**
 * What system-calls.c offers: calls of the kernel, as they are. A number below 0 is the negative errno of a call
 * that failed; a string with a NUL in it fails with EINVAL.
 */
declare module 'system-calls' {
  const O_RDONLY: number;
  const O_WRONLY: number;
  const O_RDWR: number;
  const O_CREAT: number;
  const O_EXCL: number;
  const O_NOCTTY: number;
  const O_APPEND: number;
  const O_NONBLOCK: number;
  const O_DIRECTORY: number;
  const O_NOFOLLOW: number;
  const O_PATH: number;
  const X_OK: number;
  const ENOENT: number;
  const ENOTDIR: number;
  const ELOOP: number;
  const ESRCH: number;
  const EINVAL: number;

  /** What stat(2) or statx(2) says of a file; each field is looked up when it is asked for. */
  interface Known {
    readonly kind: 'directory' | 'file' | 'symlink' | 'device' | 'other';
    readonly device: number;
    readonly inode: number;
    readonly mode: number;
    readonly uid: number;
    readonly gid: number;
  }
  /** What all `Known` have in common. */
  const knownPrototype: object;

  /** With O_CLOEXEC. @returns the descriptor. */
  function open(path: string, flags: number, mode: number): number;
  function close(fd: number): number;
  /**
   * pread(2) to the end, or to `maximumBytes`; of a pipe, what is in it. Here and wherever a string comes from, what is
   * no UTF-8 becomes U+FFFD.
   */
  function read(fd: number, offset: number, maximumBytes: number): string | number;
  /** All of `text`, in one write(2) where the kernel takes it whole; waits for slow readers. @returns bytes written. */
  function write(fd: number, text: string): number;
  interface Status extends Known {
    readonly size: number;
    /** ctime, in ms. */
    readonly changedMs: number;
    readonly nlink: number;
  }
  function stat(path: string, isFollowed: boolean): Status | number;
  function fstat(fd: number): Status | number;
  function readlink(path: string): string | number;
  /** Without `.` and `..`. */
  function readdir(path: string): readonly string[] | number;
  function rename(from: string, to: string): number;
  function unlink(path: string): number;
  function mkdir(path: string, mode: number): number;
  function rmdir(path: string): number;
  function chmod(path: string, mode: number): number;
  function access(path: string, mode: number): number;
  /** Whether the file is a program that has no interpreter (elf(5)), as the front is. */
  function isStatic(path: string): boolean;
  /** memfd_create(2), with O_CLOEXEC. @returns the descriptor. */
  function openMemory(): number;
  /** A name in an open directory, with O_CLOEXEC. @returns the descriptor. */
  function openAt(directory: number, name: string, flags: number): number;
  /** fchown(2), to a user and the group of the same number. */
  function changeOwner(fd: number, user: number): number;
  /** Of an open file what the kernel knows by itself: no server is asked. */
  function knownStatus(fd: number): (Known & { readonly mountId: number }) | number;
  /** An open file description lock on one byte, at once or not at all (EAGAIN); children get it with the descriptor. */
  function lock(fd: number, offset: number): number;
  /** LOCK_EX of flock(2), at once or not at all (EAGAIN). */
  function flock(fd: number): number;

  /** Of argv, argv[0] being 0; undefined behind the last. */
  function argument(index: number): string | undefined;
  function variable(name: string): string | undefined;
  /** The same, and takes it out of our environment. */
  function takeVariable(name: string): string | undefined;
  function getpid(): number;
  function geteuid(): number;
  /** _exit(2) */
  function exit(status: number): never;
  /** execv(3), our environment byte for byte. @param words its argv, or how many of ours are left out. @returns if it fails. */
  function replace(path: string, words: number | readonly string[]): number;
  function kill(pid: number, signal: number): number;
  type SpawnArguments = readonly [
    argv: readonly string[],
    environment: readonly string[],
    /** For chroot(2), '' for none. */
    root: string,
    /**
     * An open mount namespace for setns(2), its stdin, its stdout and stderr, and what it has as descriptor 3; -1 for
     * none, an empty stdin, our own stdout and stderr, none.
     */
    descriptors: readonly [mountNamespace: number, input: number, output: number, notice: number],
    /** The capabilities that it keeps, a bit each, -1 for all; and the user and the group that it becomes. */
    privileges: readonly [capabilities: number, user: number, group: number],
  ];
  /** @returns [pid, 0, 0], or [-1, a step of spawn.h, errno]. */
  function spawn(...child: SpawnArguments): readonly number[];
  /**
   * The same under a guardian (guardian.h), which ends it and all that it leaves when we end, or say so.
   * @param place where it mounts: in the namespace, or on the host where that is -1.
   * @returns [the guardian's pid, the connection to it], or [-1, errno].
   */
  function spawnGuarded(
    ...childAndMount: readonly [
      ...SpawnArguments,
      place: string,
      mount: readonly [mountNamespace: number, target: number],
    ]
  ): readonly number[];
  /** @returns [to read from, to write to], neither of which waits. */
  function pipe(): readonly number[] | number;
  /** read(2) of at most 64 bytes, which are of no interest. @returns how many there were. */
  function drain(fd: number): number;
  /** `enum guard_order` of guardian.h. */
  function order(connection: number, order: 'T' | 'E' | 'A' | 'R'): number;
  /** `struct guard_report` as [kind, value, value, value]; [] when the guardian has ended. */
  function report(connection: number): readonly number[] | number;
  /** Ends all children, and theirs, within 5 s. */
  function endDescendants(): void;
  /** @returns what waitpid(2) says of a child that has ended; -1 while it runs, less than that when it is none of ours. */
  function reap(pid: number): number;
  /** The exit status in it, 128 + N where signal N ended the child. */
  function statusOf(waited: number): number;
  /** Asks the filesystem of an open file for its status. @returns a child whose exit status is 0 or the errno; it may never end. */
  function ask(fd: number): number;
  /** fstatfs(2). @returns [blocks, free, available to users, bytes in a block, inodes, free ones]. */
  function space(fd: number): readonly number[] | number;
  /** umount2(2) of what is mounted on `name` in an open directory. @returns a child as that of `ask`. */
  function unmount(directory: number, name: string, flags: number): number;
  /** setns(2) to the mount namespace of that file, and thereby to its root directory. */
  function enterNamespace(file: string): number;

  /**
   * A mount namespace of this call's own, a copy of a pinned one. @see apart.h
   * @param descriptors the pinned namespace, the host's /proc, and what cloneMount has made of a file, or -1; then the
   *   user that the helper becomes.
   * @param directory gets a filesystem of its own, and in it the directory `place`.
   * @param file where the file is to be, below `directory`.
   * @param scratch directories that get one as well.
   * @returns [the namespace, its mountinfo], both open, or [negative errno, a step of apart.h].
   */
  function makeApart(
    descriptors: readonly [pinned: number, proc: number, file: number, user: number],
    directory: string,
    place: string,
    file: string,
    scratch: readonly string[],
  ): readonly number[];
  /** What is mounted on `place` of an open mount namespace: a mount for attachMount, open. */
  function copyMount(mountNamespace: number, place: string): number;
  /** A copy of the mount that shows an open file, open. */
  function cloneMount(fd: number): number;
  /**
   * mount_setattr(2) of what cloneMount has made, which is private then.
   * @param attributes MOUNT_ATTR_* to set, and those that it has: before Linux 5.12 it loses others.
   */
  function setMountAttributes(mount: number, attributes: number): number;
  /** A sysfs that is mounted nowhere, open: whatever is at /sys. */
  function openSysfs(): number;
  /** move_mount(2) */
  function attachMount(mount: number, target: number): number;
  /** umount2(2), lazily, following no symlink at the end of the path. */
  function detachMount(path: string): number;

  /** Blocks SIGINT, SIGTERM, SIGHUP and SIGCHLD. @returns a descriptor to read them from. */
  function openSignals(): number;
  /** @returns the number of one that has come. */
  function readSignal(fd: number): number;
  /** poll(2). @returns the events of each that came about. */
  function poll(
    fds: readonly number[],
    events: readonly number[],
    timeoutMs: number,
  ): readonly number[] | number;
  /** Called once, when a call begins. Modules are loaded when the front is built, where no system call is allowed. */
  function onStart(callback: () => void): void;
  /** `callback` is called again and again, each time when all promises have been seen to. */
  function onIdle(callback: () => void): void;
  /** Monotonic, in ms. */
  function now(): number;

  /** A socket whose connection is under way. @param scope of a link-local IPv6 address, or ''. */
  function connect(address: string, scope: string, port: number): number;
  /** SO_ERROR: 0, or the negative errno. */
  function socketError(fd: number): number;
  /** E.g. ['ENOENT', 'No such file or directory'] for 2. */
  function errorNames(errno: number): readonly [name: string, description: string];
}
