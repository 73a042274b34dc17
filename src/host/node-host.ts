import { fileHost } from './file-host.ts';
import type { Host } from './host.ts';
import { readText } from './read-text.ts';
import { runBounded, runBy } from './run-bounded.ts';
import { orUndefined } from './shared-file-host.ts';

/** The Host of a real node, on `node:` APIs. */
export const nodeHost: Host = {
  ...fileHost,
  readText: (path) => orUndefined(() => readText(path)),
  effectiveUserId: () => process.geteuid?.() ?? -1,
  kill,
  run: runBy(runBounded),
  sleep: (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds)),
  now: () => performance.now(),
};

function kill(pid: number, signal: 'SIGTERM' | 'SIGKILL'): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
