import * as system from 'system-calls';
import { fileHost } from '../host/file-host.ts';
import type { Host } from '../host/host.ts';
import { run } from './child.ts';
import { kill } from './kill.ts';

/** The Host of a real node, on the system calls of the front. */
export const frontHost: Host = {
  ...fileHost,
  effectiveUserId: system.geteuid,
  kill,
  run,
  withinNamespace: async (file, look) => (await import('./within-namespace.ts')).withinNamespace(file, look),
  connect: async (...args) => (await import('./connect.ts')).connect(...args),
  sleep: (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds)),
  now: system.now,
};
