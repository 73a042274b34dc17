import type { CallerSettings } from './caller.ts';
import type { KubeletCommand } from './command-line.ts';

/**
 * The command takes this process's place: its pid, its parent, its environment, its descriptors, and what of umask,
 * signals and limits the caller had set.
 * @throws like node:fs when the kernel does not start it.
 */
export async function becomeKubelet(
  path: string,
  argv: readonly Buffer[],
  environment: KubeletCommand['environment'],
  caller: CallerSettings,
): Promise<never> {
  const calls = await import('../host/process-calls.ts');
  for (const [name, value] of environment) calls.setEnvironment(name, value, false);
  if (!caller.isSigpipeIgnored) calls.restoreSignal('SIGPIPE');
  calls.restoreSignal('SIGXFSZ');
  process.umask(caller.umask);
  for (const signal of caller.ignoredSignals) calls.ignoreSignal(signal);
  if (caller.openFiles !== undefined) calls.limitOpenFiles(caller.openFiles, caller.maximumOpenFiles);
  // The runtime has sockets and pipes among them not wait. Nobody's program is made for that, and lines would be lost.
  for (const fd of [0, 1, 2]) calls.makeWaiting(fd);
  calls.keepDescriptors(3, passedDescriptors(process.env));
  return calls.execute(path, argv);
}

/**
 * Sockets and files that systemd has opened for us. The runtime marks what is open at its start close-on-exec;
 * of all others nobody knows whose they are.
 * @see sd_listen_fds(3)
 */
function passedDescriptors({ LISTEN_PID, LISTEN_FDS }: NodeJS.ProcessEnv): number {
  return LISTEN_PID === String(process.pid) && /^\d{1,4}$/.test(LISTEN_FDS ?? '') ? Number(LISTEN_FDS) : 0;
}
