import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { type MountEntry, parseMountinfo } from '../../../src/host/mountinfo.ts';

/** What a node has, to be compared with what it had before a call: whatever is more is left by that call. */
export interface NodeRemains {
  /** Of the host. */
  readonly mounts: readonly string[];
  /** Of each mount namespace that is pinned to a file. */
  readonly pinnedMounts: readonly string[];
  /** Command lines. */
  readonly processes: readonly string[];
  /** Below /run and /tmp; not what is remembered of servers. */
  readonly files: readonly string[];
  /** Files of ours that a process keeps open: with them it keeps a lock. */
  readonly held: readonly string[];
}

/** Where to look: a scratch node as this machine sees it, or the machine itself. */
export interface LookedAt {
  /** The node's `path`, as this process can open it. */
  path(path: string): string;
  mountinfo(): readonly MountEntry[];
}

/** The machine that this process runs on. */
export const thisMachine: LookedAt = {
  path: (path) => path,
  mountinfo: () => parseMountinfo(readFileSync('/proc/self/mountinfo', 'utf8')),
};

const ours = '/run/containerized-mounter';

export async function remainsOf(node: LookedAt): Promise<NodeRemains> {
  const mounts = node.mountinfo();
  const processes = processesOf(node);
  return {
    mounts: mounts.map(describeMount).map(withoutNumber).sort(),
    pinnedMounts: await pinnedMountsOf(node, mounts),
    processes: processes.map(({ words }) => words.join(' ')).sort(),
    files: ['/run', '/tmp']
      .flatMap((directory) => filesBelow(node, directory))
      .map(withoutNumber)
      .sort(),
    held: processes.flatMap(({ pid, words }) => heldBy(node, pid).map((file) => `${file} by ${words[0]}`)),
  };
}

/** Those that are more or less than before, a line each; what ends a moment later is waited for. */
export async function leftSince(
  before: NodeRemains,
  node: LookedAt,
  milliseconds: number,
): Promise<readonly string[]> {
  const deadline = performance.now() + milliseconds;
  for (;;) {
    const differences = differencesOf(before, await remainsOf(node));
    if (differences.length === 0 || performance.now() > deadline) return differences;
    await sleep(20);
  }
}

function differencesOf(before: NodeRemains, after: NodeRemains): readonly string[] {
  return (Object.keys(before) as (keyof NodeRemains)[]).flatMap((kind) => [
    ...without(after[kind], before[kind]).map((one) => `${kind} left: ${one}`),
    ...without(before[kind], after[kind]).map((one) => `${kind} gone: ${one}`),
  ]);
}

/** As multisets. */
function without(these: readonly string[], those: readonly string[]): readonly string[] {
  const rest = [...those];
  return these.filter((one) => {
    const index = rest.indexOf(one);
    if (index >= 0) rest.splice(index, 1);
    return index < 0;
  });
}

/** Pinned namespaces are numbered as they are made. */
function withoutNumber(text: string): string {
  return text.replace(/(\/namespaces\/[0-9a-f]+)\.\d+(?=\/|$)/, '$1');
}

/** Without the number of a namespace. */
function describeMount({ mountPoint, fstype, source, root }: MountEntry): string {
  return `${source} (${fstype}, ${root.replace(/\[\d+\]$/, '')}) on ${mountPoint}`;
}

/** A process in each of them: only from within can the table be read. */
async function pinnedMountsOf(node: LookedAt, mounts: readonly MountEntry[]): Promise<readonly string[]> {
  const pins = mounts.filter(({ fstype, root }) => fstype === 'nsfs' && root.startsWith('mnt:'));
  const tables = await Promise.all(pins.map(({ mountPoint }) => mountsIn(node.path(mountPoint))));
  return tables.flat().sort();
}

async function mountsIn(pin: string): Promise<readonly string[]> {
  // Its read(2) lasts until we have looked. The descriptor is kept, which nsenter(1) executes with.
  const inside = spawn('nsenter', [`--mount=${pin}`, '/bin/sh', '-c', 'echo; read end'], {
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  const ended = once(inside, 'exit');
  await Promise.race([once(inside.stdout, 'data'), ended]);
  try {
    return parseMountinfo(readFileSync(`/proc/${inside.pid}/mountinfo`, 'utf8')).map(describeMount);
  } catch {
    return []; // It is gone since we saw it.
  } finally {
    inside.stdin.end();
    await ended;
  }
}

interface SeenProcess {
  readonly pid: string;
  readonly words: readonly string[];
}

/** Without process 1, which the node stands on, without zombies and kernel threads, and without this process. */
function processesOf(node: LookedAt): readonly SeenProcess[] {
  const proc = node.path('/proc');
  return readdirSync(proc)
    .filter((name) => /^\d+$/.test(name) && name !== '1' && !isThisProcess(node, name))
    .flatMap((pid) => {
      try {
        const words = readFileSync(`${proc}/${pid}/cmdline`, 'utf8').split('\0').slice(0, -1);
        return words.length === 0 ? [] : [{ pid, words }];
      } catch {
        return []; // It ended while we looked.
      }
    });
}

function isThisProcess(node: LookedAt, pid: string): boolean {
  return node === thisMachine && Number(pid) === process.pid;
}

function heldBy(node: LookedAt, pid: string): readonly string[] {
  try {
    const directory = node.path(`/proc/${pid}/fd`);
    return readdirSync(directory)
      .map((fd) => readlinkSync(`${directory}/${fd}`))
      .filter((file) => file.startsWith(ours));
  } catch {
    return [];
  }
}

function filesBelow(node: LookedAt, directory: string): readonly string[] {
  try {
    return readdirSync(node.path(directory), { withFileTypes: true }).flatMap((entry) => {
      const path = `${directory}/${entry.name}`;
      if (/\/failures\/[0-9a-f]{2}$/.test(path)) return [];
      const isDirectory = entry.isDirectory() && lstatSync(node.path(path)).isDirectory();
      return [path, ...(isDirectory ? filesBelow(node, path) : [])];
    });
  } catch {
    return [];
  }
}
