import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import type { ProcessInformation } from './host.ts';

/**
 * The processes of the node, by what never waits for them: name, status, the texts of links (tried on Linux 6.18).
 * /proc/PID/cmdline, environ, maps, mem and their like wait for the lock of a process's memory, which anybody's can hold
 * while a page of its own filesystem does not come; stat(2) of /proc/PID/root asks the filesystem there.
 */

/** What is still there while we read /proc. */
export function processes(): readonly ProcessInformation[] {
  return informationOn(pidsWhere(() => true));
}

/** Those whose program has one of these names. */
export function processesNamed(names: readonly string[]): readonly ProcessInformation[] {
  return informationOn(pidsWhere((pid) => isNamed(nameOf(pid), names)));
}

/** @param isWanted is asked of each process, which may end meanwhile. */
export function pidsWhere(isWanted: (pid: number) => boolean): readonly number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter(isWanted);
}

/** Whether the process is root's, in the user namespace that we are in: nobody without privileges has such a one. */
export function isRoots(pid: number): boolean {
  const users = /^Uid:\t(\d+)\t(\d+)/m.exec(textOf(`/proc/${pid}/status`) ?? '');
  return users?.[1] === '0' && users[2] === '0' && isInOurUsers(pid, linkOf('/proc/self/ns/user'));
}

/** This process, whoever has started it, and so on. */
export function ownAncestry(): readonly number[] {
  const pids: number[] = [];
  for (let pid = process.pid; pid > 0 && !pids.includes(pid); pid = parentOf(pid)) pids.push(pid);
  return pids;
}

/** @returns 0 for a parent in another pid namespace, and for none. */
function parentOf(pid: number): number {
  return Number(/^PPid:\t(\d+)/m.exec(textOf(`/proc/${pid}/status`) ?? '')?.[1] ?? 0);
}

function informationOn(pids: readonly number[]): readonly ProcessInformation[] {
  const [users, network] = [linkOf('/proc/self/ns/user'), linkOf('/proc/self/ns/net')];
  return pids.flatMap((pid) => {
    const name = nameOf(pid);
    if (name === undefined) return []; // It has ended while we looked.
    const isOurs = isInOurUsers(pid, users);
    return [
      {
        pid,
        name,
        executable: linkOf(`/proc/${pid}/exe`),
        root: isOurs ? linkOf(`/proc/${pid}/root`) : undefined,
        mountNamespace: isOurs ? linkOf(`/proc/${pid}/ns/mnt`) : undefined,
        isInOurNetwork: network !== undefined && linkOf(`/proc/${pid}/ns/net`) === network,
      },
    ];
  });
}

/** @param users undefined where the kernel has no user namespaces. */
function isInOurUsers(pid: number, users: string | undefined): boolean {
  return linkOf(`/proc/${pid}/ns/user`) === users;
}

function nameOf(pid: number): string | undefined {
  return textOf(`/proc/${pid}/comm`)?.replace(/\n$/, '');
}

function textOf(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

/** @returns undefined for what a kernel thread, a zombie or another user's process does not show. */
function linkOf(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined;
  }
}

/** Whether the kernel calls a process one of `names`: it keeps 15 bytes of its program's. */
export function isNamed(name: string | undefined, names: readonly string[]): boolean {
  return name !== undefined && names.some((wanted) => wanted.slice(0, 15) === name);
}

/** Whether a process runs the program of one of these names, whatever it is called meanwhile. */
export function isProgram({ name, executable }: ProcessInformation, names: readonly string[]): boolean {
  return isNamed(name, names) || names.includes(executable?.replace(/^.*\/| \(deleted\)$/g, '') ?? '');
}

export const glusterfsPrograms: readonly string[] = ['glusterfs', 'glusterfsd'];
