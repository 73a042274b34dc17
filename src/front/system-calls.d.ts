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
  const X_OK: number;

  /** With O_CLOEXEC. @returns the descriptor. */
  function open(path: string, flags: number, mode: number): number;
  function close(fd: number): number;
  /** pread(2) to the end, or to `maximumBytes`. Here and wherever a string comes from, what is no UTF-8 becomes U+FFFD. */
  function read(fd: number, offset: number, maximumBytes: number): string | number;
  /** All of `text`, in one write(2) where the kernel takes it whole; waits for slow readers. @returns bytes written. */
  function write(fd: number, text: string): number;
  /** [device, inode, mode, uid, gid, size, ctime in ms, links] */
  function stat(path: string, isFollowed: boolean): readonly number[] | number;
  function fstat(fd: number): readonly number[] | number;
  function readlink(path: string): string | number;
  /** Without `.` and `..`. */
  function readdir(path: string): readonly string[] | number;
  function rename(from: string, to: string): number;
  function unlink(path: string): number;
  function mkdir(path: string, mode: number): number;
  function chmod(path: string, mode: number): number;
  function access(path: string, mode: number): number;
  /** LOCK_EX, at once or not at all (EWOULDBLOCK). */
  function flock(fd: number): number;

  /** Of argv, argv[0] being 0; undefined behind the last. */
  function argument(index: number): string | undefined;
  function variable(name: string): string | undefined;
  function getpid(): number;
  function geteuid(): number;
  /** _exit(2) */
  function exit(status: number): never;
  /** execv(3) with this process's own argv and environment, byte for byte. @returns only when it fails. */
  function replace(path: string): number;
  function kill(pid: number, signal: number): number;
  /**
   * @param root for chroot(2), '' for none.
   * @param mountNamespace an open file of setns(2), or -1.
   * @param output for its stdout and stderr, -1 for ours.
   * @returns [pid, 0, 0], or [-1, a step of spawn.h, errno].
   */
  function spawn(
    argv: readonly string[],
    environment: readonly string[],
    root: string,
    mountNamespace: number,
    output: number,
  ): readonly number[];
  /** setns(2) with an open mount namespace; then chroot(2) to an open directory, unless `root` is -1. */
  function enterMounts(namespace: number, root: number): number;
  /** @returns the status of a child that has ended, 128 + N for signal N; -1 while it runs. */
  function reap(pid: number): number;

  /** Blocks SIGINT, SIGTERM, SIGHUP and SIGCHLD. @returns a descriptor to read them from. */
  function openSignals(): number;
  /** @returns the number of one that has come. */
  function readSignal(fd: number): number;
  /** poll(2), at most 64 descriptors. @returns the events of each that came about. */
  function poll(
    fds: readonly number[],
    events: readonly number[],
    timeoutMs: number,
  ): readonly number[] | number;
  /** `callback` is called again and again, each time when all promises have been seen to. */
  function onIdle(callback: () => void): void;
  /** Monotonic, in ms. */
  function now(): number;

  /** A socket whose connection is under way. @param scope of a link-local IPv6 address, or ''. */
  function connect(address: string, scope: string, port: number): number;
  /** The same, to a UNIX socket. */
  function connectLocal(path: string): number;
  /** SO_ERROR: 0, or the negative errno. */
  function socketError(fd: number): number;
  /** E.g. ['ENOENT', 'No such file or directory'] for 2. */
  function errorNames(errno: number): readonly [name: string, description: string];
}
