import { closeSync, constants as files, openSync, readFileSync } from 'node:fs';
import { check, libc, terminated } from './libc.ts';
import { mount, mountFlags } from './mount-calls.ts';

/**
 * Mount namespaces, which the thread that runs JavaScript enters and leaves again; in the compiled executable only.
 * setns(2) wants a root directory that no other thread shares, which unshare(2) gives. What node:fs does synchronously
 * is done by this thread; a program that is started meanwhile would stay in there.
 */

/** @see unshare(2) */
const CLONE_FS = 0x200;
const CLONE_NEWNS = 0x20000;

/** open(2)'s O_PATH, which node:fs does not name. */
const O_PATH = 0o10000000;

/**
 * Runs `look` with the mounts and the root directory of the namespace that `file` pins.
 * @param look returns at once, and starts nothing.
 * @throws like node:fs when it can't be entered.
 */
export function withinNamespace<T>(file: string, look: () => T): T {
  return elsewhere(() => enterNamespace(file), look);
}

/**
 * Runs `make` in a copy of this mount namespace.
 * @param make returns at once, and starts nothing.
 * @returns a descriptor of the new namespace, which is gone when that is closed and it was not pinned.
 * @throws what `make` throws, and like node:fs.
 */
export function newNamespace(make: () => void): number {
  return elsewhere(leaveNamespace, () => {
    const namespace = openSync('/proc/thread-self/ns/mnt', 'r');
    try {
      make();
      return namespace;
    } catch (error) {
      closeSync(namespace);
      throw error;
    }
  });
}

/** This thread's own copy of its mount namespace, for good: what takes the place of this process is in it. */
export function leaveNamespace(): void {
  check('unshare', 'the mount namespace', libc.unshare(CLONE_NEWNS));
}

/** This thread is in the namespace of `file` from now on, and in its root directory. @throws like node:fs. */
export function enterNamespace(file: string): void {
  const namespace = openSync(file, 'r');
  try {
    check('unshare', file, libc.unshare(CLONE_FS));
    check('setns', file, libc.setns(namespace, CLONE_NEWNS));
  } finally {
    closeSync(namespace);
  }
}

function elsewhere<T>(go: () => void, act: () => T): T {
  const namespace = openSync('/proc/thread-self/ns/mnt', 'r');
  const root = openSync('/', O_PATH | files.O_DIRECTORY);
  const directory = openSync('.', O_PATH);
  try {
    go();
    try {
      return act();
    } finally {
      // A thread that the runtime has begun meanwhile (for its collector, say) shares our root again.
      check('unshare', 'the root directory', libc.unshare(CLONE_FS));
      check('setns', 'our own mount namespace', libc.setns(namespace, CLONE_NEWNS));
      check('fchdir', '/', libc.fchdir(root));
      check('chroot', '/', libc.chroot(terminated('.')));
      check('fchdir', '.', libc.fchdir(directory));
    }
  } finally {
    for (const fd of [namespace, root, directory]) closeSync(fd);
  }
}

/**
 * Keeps a namespace alive by a mount of it on `file`, which lies on a private mount.
 * @returns false where the kernel takes it for older than ours: it refuses loops of namespaces by their
 *   numbers, and since 6.18 each processor numbers from a batch of its own.
 * @throws like node:fs.
 * @see mnt_ns_loop in fs/namespace.c, gen_cookie_next in include/linux/cookie.h
 */
export function pinNamespace(namespace: number, file: string): boolean {
  try {
    mount(`/proc/thread-self/fd/${namespace}`, file, mountFlags.bind);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EINVAL') return false;
    throw error;
  }
}

/**
 * Runs `attempt` until it returns true: where we are, then on each processor. What the one that our own namespace was
 * made on numbers has a higher number than that. @returns whether one did.
 */
export function onAnyProcessor(attempt: () => boolean): boolean {
  if (attempt()) return true;
  const before = Buffer.alloc(maskBytes);
  if (libc.sched_getaffinity(0, before.length, before) < 0) return false;
  try {
    return processors().some((processor) => moveTo(processor) && attempt());
  } finally {
    libc.sched_setaffinity(0, before.length, before);
  }
}

/** For 8192 processors, as many as the kernel can be built for. */
const maskBytes = 1024;

/** @returns false where this process may not run. */
function moveTo(processor: number): boolean {
  const mask = Buffer.alloc(maskBytes);
  mask[processor >> 3] = 1 << (processor & 7);
  return libc.sched_setaffinity(0, mask.length, mask) === 0;
}

/** Of a list such as `0-3,6`. @see cpuset(7) "List format" */
function processors(): readonly number[] {
  const list = readFileSync('/sys/devices/system/cpu/online', 'utf8').trim();
  return list.split(',').flatMap((range) => {
    const [first = 0, last = first] = range.split('-').map(Number);
    return Array.from({ length: last - first + 1 }, (_, index) => first + index);
  });
}
