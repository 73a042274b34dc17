import { existsSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import { execa } from 'execa';
import { placeInRoot } from '../host/path-in-root.ts';
import { findProgram, programDirectories } from '../host/programs.ts';
import type { Layout } from '../node/layout.ts';
import { leaveGroup } from '../services/scope.ts';
import { agentExecutable } from './places.ts';

/** How a call on the host ended. */
export interface Called {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the mounter on the host. @returns soon after `signal` has come. */
export type CallOnHost = (argv: readonly string[], signal: AbortSignal) => Promise<Called>;

/** What the host sees of this container's file: the Pod has the host's process ids (`hostPID`). */
export function seenFromHost(path: string): string {
  return `/proc/${process.pid}/root${path}`;
}

export const hostRoot = '/proc/1/root';

/** The host's file, or symlink, as this container reaches it: an absolute symlink on the way is the host's. */
export function pathOnHost(path: string): string {
  return `${hostRoot}${placeInRoot(hostRoot, path)}`;
}

/** Times from SIGTERM to SIGKILL, and from SIGKILL until a process that waits in the kernel is left behind. */
const [terminateMs, unkillableMs] = [5000, 1000];

/** argv that runs a program in the host's namespaces; see `onHost`. */
function enteringHost(): readonly string[] {
  // From that of control groups alone a daemon can be put elsewhere than where its runtime ends it. Linux 4.6.
  const cgroup = existsSync('/proc/1/ns/cgroup') ? ['--cgroup'] : [];
  return [findProgram('nsenter'), '--target', '1', '--mount', '--net', '--uts', '--ipc', ...cgroup, '--'];
}

/**
 * argv that runs a program of the host outside of this container's control group: that has no /dev/fuse, has a limit for
 * its memory, and its runtime ends whoever is in it, such as the daemon of a volume.
 */
export function enteringHostForGood(): readonly string[] {
  const script = `{ ${leaveGroup}\nleave_group $$; } 2>/dev/null; cd /; exec "$@"`;
  return [...enteringHost(), '/bin/sh', '-c', script, 'sh'];
}

/**
 * nsenter(1) into the host's namespaces runs our own executable there, from this container's files: nothing is
 * copied first, an older one on the node is not asked, and a host directory that is mounted noexec does not matter.
 * That of host names is one of them: an NFSv4 client's id is made from the node's, not the Pod's. Needs CAP_SYS_ADMIN
 * and CAP_SYS_CHROOT for setns(2), and CAP_SYS_PTRACE to open the namespaces of process 1.
 * @param layout of the host.
 */
export function onHost(layout: Layout): CallOnHost {
  return callsOf(() => [...enteringHost(), seenFromHost(agentExecutable)], layout);
}

/** @param command what the arguments of each call are added to. */
export function callsOf(command: () => readonly string[], layout: Layout): CallOnHost {
  const { home, manifest } = layout;
  return async (argv, signal) => {
    const [program = '', ...words] = command();
    const running = execa(program, [...words, ...argv], {
      cwd: '/',
      extendEnv: false,
      env: {
        PATH: programDirectories.join(':'),
        LC_ALL: 'C',
        MOUNTER_HOME: home,
        MOUNTER_MANIFEST: manifest,
      },
      stdin: 'ignore',
      reject: false,
      stripFinalNewline: false,
      forceKillAfterDelay: terminateMs,
      cancelSignal: signal,
    });
    const ended = running.then((result) => {
      const failedToStart = result.exitCode === undefined && !result.isTerminated ? result.shortMessage : '';
      return {
        status: result.exitCode ?? 1,
        stdout: result.stdout,
        stderr: `${result.stderr}${failedToStart}`,
      };
    });
    return await Promise.race([ended, givenUp(signal, running)]);
  };
}

/** No signal ends a process that waits for a dead server: the agent goes on without it. */
async function givenUp(signal: AbortSignal, running: Promise<unknown>): Promise<Called> {
  await new Promise((resolve) => {
    if (signal.aborted) resolve(undefined);
    signal.addEventListener('abort', resolve, { once: true });
    running.finally(() => signal.removeEventListener('abort', resolve));
  });
  await setTimeout(terminateMs + unkillableMs, undefined, { ref: false });
  return { status: 1, stdout: '', stderr: 'does not end, not even when it is killed\n' };
}
