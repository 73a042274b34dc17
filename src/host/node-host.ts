import { run } from './child.ts';
import { fileHost } from './file-host.ts';
import type { Host } from './host.ts';
import { kill } from './kill.ts';

/** The Host of a real node, on `node:` APIs. */
export const nodeHost: Host = {
  ...fileHost,
  effectiveUserId: () => process.geteuid?.() ?? -1,
  kill,
  run,
  sleep: (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds)),
  now: () => performance.now(),
};
