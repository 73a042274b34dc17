import { execa } from 'execa';
import { programDirectories } from '../host/child-environment.ts';
import { findProgram } from '../host/programs.ts';
import { agentExecutable } from './places.ts';

/** How a call on the host ended. */
export interface Called {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs this container's own executable on the host. */
export type CallOnHost = (argv: readonly string[], signal?: AbortSignal) => Promise<Called>;

/** What the host sees of this container's file: the Pod has the host's process ids (`hostPID`). */
export function seenFromHost(path: string): string {
  return `/proc/${process.pid}/root${path}`;
}

/**
 * nsenter(1) into the host's mount and network namespace runs our own executable there, from this container's
 * files: nothing is copied first, an older one on the node is not asked, and a host directory that is
 * mounted noexec does not matter. Needs CAP_SYS_ADMIN and CAP_SYS_CHROOT for setns(2), and CAP_SYS_PTRACE to
 * open the namespaces of process 1.
 * @param home MOUNTER_HOME on the host.
 */
export function onHost(home: string): CallOnHost {
  return async (argv, signal) => {
    const enter = ['--target', '1', '--mount', '--net', '--', seenFromHost(agentExecutable)];
    const result = await execa(findProgram('nsenter'), [...enter, ...argv], {
      cwd: '/',
      extendEnv: false,
      env: { PATH: programDirectories.join(':'), LC_ALL: 'C', MOUNTER_HOME: home },
      stdin: 'ignore',
      reject: false,
      stripFinalNewline: false,
      forceKillAfterDelay: 5000,
      ...(signal === undefined ? {} : { cancelSignal: signal }),
    });
    const failedToStart = result.exitCode === undefined && !result.isTerminated ? result.shortMessage : '';
    return {
      status: result.exitCode ?? 1,
      stdout: result.stdout,
      stderr: `${result.stderr}${failedToStart}`,
    };
  };
}
