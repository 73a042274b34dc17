import * as system from 'system-calls';
import { fileHost } from '../host/file-host.ts';
import type { MountHost } from '../host/mount-host.ts';
import { attach, makeApart, readMountTable } from './apart.ts';
import { run } from './child.ts';
import { runHelper } from './helper.ts';
import { kill } from './kill.ts';
import * as openFiles from './open-files.ts';
import { lockTarget } from './target-lock.ts';

/** The Host of a real node, on the system calls of the front. */
export const frontHost: MountHost = {
  ...fileHost,
  ...openFiles,
  effectiveUserId: system.geteuid,
  kill,
  run,
  runHelper,
  lockTarget,
  makeApart,
  readMountTable,
  attach,
  isAlive: async (...args) => (await import('./liveness.ts')).isAlive(...args),
  connect: async (...args) => (await import('./connect.ts')).connect(...args),
  sleep: (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds)),
  now: system.now,
};
