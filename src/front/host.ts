import * as system from 'system-calls';
import type { MountHost } from '../host/mount-host.ts';
import { sharedFileHost } from '../host/shared-file-host.ts';
import { attach, makeApart, readMountTable } from './apart.ts';
import { run } from './child.ts';
import { runHelper } from './helper.ts';
import { changeKernelFile } from './kernel-file.ts';
import * as known from './known.ts';
import * as openFiles from './open-files.ts';
import { kill } from './signals.ts';

/** The Host of a real node, on the system calls of the front. */
export const frontHost: MountHost = {
  ...sharedFileHost,
  ...known,
  ...openFiles,
  effectiveUserId: system.geteuid,
  kill,
  run,
  runHelper,
  makeApart,
  readMountTable,
  attach,
  isAlive: async (...args) => (await import('./ask.ts')).isAlive(...args),
  changeKernelFile,
  connect: async (...args) => (await import('./ask.ts')).connect(...args),
  sleep: (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds)),
  now: system.now,
};
