import type { TracedCall } from './trace.ts';

/** One system call that is to fail, once. */
export interface Injection {
  readonly call: string;
  readonly nth: number;
  readonly error: string;
  /**
   * Counted in the children of the process too, each by itself: what a child calls before it executes the helper.
   * A call of the process itself that is the nth of that name fails with it.
   */
  readonly isInChild: boolean;
  /** Only calls that are about this file are counted. */
  readonly path?: string;
  /** The call as it was without a fault. */
  readonly text: string;
}

/**
 * What the kernel never refuses, or what nobody could be told of. brk(2) tells of a failure by the old end of the
 * heap, which strace can't give: with an error in its place libc takes it for success.
 */
const cannotFail: readonly string[] = [
  'brk',
  'execveat',
  'exit',
  'exit_group',
  'getegid',
  'geteuid',
  'getgid',
  'getpgrp',
  'getpid',
  'getppid',
  'gettid',
  'getuid',
  'restart_syscall',
  'rt_sigreturn',
  'umask',
];

/** What a call is made to fail with: what its manual page names, or what a node at its limits has. */
const errors: Readonly<Record<string, readonly string[]>> = {
  chdir: ['EIO', 'EACCES', 'ENOMEM'],
  chroot: ['EIO', 'EPERM', 'ENOMEM'],
  clone: ['EAGAIN', 'ENOMEM'],
  clone3: ['EAGAIN', 'ENOMEM'],
  close: ['EIO', 'EINTR'],
  close_range: ['ENOSYS', 'ENOMEM', 'EMFILE'],
  connect: ['ECONNREFUSED', 'EINTR', 'ENOMEM'],
  dup2: ['EMFILE', 'EINTR'],
  dup3: ['EMFILE', 'EINTR'],
  execve: ['EACCES', 'ENOENT', 'ENOMEM', 'EIO', 'ETXTBSY'],
  fchdir: ['EIO', 'EACCES'],
  flock: ['EINTR', 'ENOLCK', 'EIO'],
  fork: ['EAGAIN', 'ENOMEM'],
  fsconfig: ['EINVAL', 'ENOMEM', 'EPERM'],
  fsmount: ['ENOMEM', 'EMFILE', 'EPERM'],
  fsopen: ['ENOMEM', 'EMFILE', 'EPERM'],
  fstat: ['EIO', 'ENOMEM'],
  getdents64: ['EIO', 'ENOMEM'],
  ioctl: ['ENOTTY', 'EIO'],
  kill: ['EPERM', 'ESRCH'],
  mkdir: ['EIO', 'ENOSPC', 'EACCES'],
  mmap: ['ENOMEM'],
  mount: ['ENOMEM', 'EPERM', 'ENOSPC', 'EINVAL'],
  mount_setattr: ['ENOMEM', 'EPERM', 'ENOSYS'],
  move_mount: ['ENOMEM', 'EPERM', 'ENOSPC', 'EBUSY', 'ENOENT'],
  mprotect: ['ENOMEM'],
  munmap: ['ENOMEM'],
  newfstatat: ['EIO', 'ENOMEM', 'EACCES'],
  open: ['EIO', 'ENOMEM', 'EMFILE', 'EACCES', 'EINTR'],
  open_tree: ['ENOMEM', 'EMFILE', 'EPERM'],
  openat: ['EIO', 'ENOMEM', 'EMFILE', 'EACCES', 'EINTR'],
  openat2: ['EIO', 'ENOMEM', 'EMFILE', 'EACCES', 'EAGAIN'],
  pidfd_open: ['EMFILE', 'ENOMEM', 'ENOSYS', 'ESRCH'],
  pidfd_send_signal: ['EPERM', 'ESRCH'],
  pipe2: ['EMFILE', 'ENFILE'],
  pivot_root: ['EPERM', 'EINVAL'],
  poll: ['ENOMEM', 'EINTR'],
  prctl: ['EPERM', 'EINVAL'],
  pread64: ['EIO', 'EINTR'],
  prlimit64: ['EPERM'],
  pwrite64: ['EIO', 'ENOSPC', 'EINTR'],
  read: ['EIO', 'EINTR'],
  readlink: ['EIO', 'ENOMEM', 'EACCES'],
  recvmsg: ['ENOMEM', 'EINTR'],
  rename: ['EIO', 'ENOSPC', 'EACCES'],
  rt_sigaction: ['EINVAL'],
  rt_sigprocmask: ['EINVAL'],
  sendmsg: ['ENOBUFS', 'EINTR'],
  setns: ['ENOMEM', 'EPERM', 'EINVAL'],
  setsid: ['EPERM'],
  signalfd4: ['EMFILE', 'ENOMEM'],
  socket: ['EMFILE', 'ENOBUFS'],
  socketpair: ['EMFILE', 'ENFILE'],
  stat: ['EIO', 'ENOMEM', 'EACCES'],
  statx: ['EIO', 'ENOMEM', 'EACCES'],
  umount2: ['EBUSY', 'EPERM', 'ENOMEM'],
  unlink: ['EIO', 'EACCES'],
  unshare: ['ENOMEM', 'ENOSPC', 'EPERM'],
  vfork: ['EAGAIN', 'ENOMEM'],
  wait4: ['EINTR', 'ECHILD'],
  waitid: ['EINTR', 'ECHILD'],
  write: ['EIO', 'ENOSPC', 'EINTR'],
};
const otherErrors: readonly string[] = ['EIO', 'ENOMEM'];

/**
 * musl's own, around fork(2): it blocks all signals but its own, which the kernel never refuses, and goes on with a mask
 * that nobody has filled in where strace makes it fail. Nor may a child's call of the same number: both would fail.
 */
const blocksAll = /^rt_sigprocmask\(SIG_BLOCK, ~\[/;

/**
 * Every way in which a call of `trace` can fail: a call of a child only once, however many children make it.
 * @param trace of a static executable.
 */
export function injectionsOf(trace: readonly TracedCall[]): readonly Injection[] {
  const found = new Map<string, Injection>();
  const muslsOwn = trace.filter(({ text }) => blocksAll.test(text)).map(({ name, nth }) => `${name} ${nth}`);
  for (const { process, name, nth, text } of afterStartUp(trace)) {
    for (const error of muslsOwn.includes(`${name} ${nth}`) ? [] : errorsOf(name)) {
      const injection = { call: name, nth, error, isInChild: process > 0, text };
      const key = `${name} ${nth} ${error} ${injection.isInChild}`;
      if (!found.has(key)) found.set(key, injection);
    }
  }
  return [...found.values()];
}

/**
 * musl's own start-up, which ends with set_tid_address(2), comes before main(): there it ends the process by itself, or
 * goes on without, and no code of ours has a say.
 */
function afterStartUp(trace: readonly TracedCall[]): readonly TracedCall[] {
  const last = trace.findIndex(({ process, name }) => process === 0 && name === 'set_tid_address');
  return trace.slice(last + 1);
}

/** What a call of this name can fail with. */
export function errorsOf(name: string): readonly string[] {
  return cannotFail.includes(name) ? [] : (errors[name] ?? otherErrors);
}

/** For strace(1), before the command. @param output gets the calls of that name, with `(INJECTED)` where it failed. */
export function straceArguments(injection: Injection, output: string): readonly string[] {
  const { call, nth, error, isInChild, path } = injection;
  return [
    // What a child executes is another's program: from there on it is on its own.
    ...(isInChild ? ['-f', '-b', 'execve'] : []),
    ...(path === undefined ? [] : ['-P', path]),
    ...['-o', output, '-e', `trace=${call}`, '-e', `inject=${call}:error=${error}:when=${nth}`],
  ];
}

export function describeInjection({ call, nth, error, isInChild, text }: Injection): string {
  return `${error} of ${call} ${nth}${isInChild ? ' in the child' : ''}: ${text.slice(0, 110)}`;
}
