/** One system call of a call of `mounter`, as strace(1) has written it down. */
export interface TracedCall {
  /** 0 is the process that was started; its children follow in the order of their first calls. */
  readonly process: number;
  readonly name: string;
  /** Which of this process's calls of that name: 1 for the first, as `when=` of strace counts. */
  readonly nth: number;
  /** As strace shows it, from the name on. */
  readonly text: string;
}

/**
 * What `strace -f -o FILE` wrote, in its order:
 *
 * ```
 * 94    openat(AT_FDCWD, "/run/x", O_RDONLY|O_CLOEXEC) = 3
 * 94    vfork( <unfinished ...>
 * 95    setsid()                          = 95
 * 94    <... vfork resumed>)              = 95
 * 94    --- SIGCHLD {si_signo=SIGCHLD} ---
 * 94    +++ exited with 0 +++
 * ```
 * The second half of a call that was interrupted by another line is no call of its own.
 */
export function parseTrace(text: string): readonly TracedCall[] {
  const pids: string[] = [];
  const counts = new Map<string, number>();
  const calls: TracedCall[] = [];
  for (const line of text.split('\n')) {
    const [, pid = '', shown = '', name = ''] = /^(\d+) +(([a-z_0-9]+)\(.*)$/.exec(line) ?? [];
    if (name === '') continue;
    if (!pids.includes(pid)) pids.push(pid);
    const nth = (counts.get(`${pid} ${name}`) ?? 0) + 1;
    counts.set(`${pid} ${name}`, nth);
    calls.push({ process: pids.indexOf(pid), name, nth, text: shown });
  }
  return calls;
}
