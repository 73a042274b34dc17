import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import type { NodeRequest, ScratchNode } from './namespace.ts';

/** Where the hierarchies of control groups are, of whatever version this machine has. @see cgroups(7) */
export function hierarchies(): readonly string[] {
  const root = '/sys/fs/cgroup';
  const all = existsSync(`${root}/cgroup.procs`)
    ? [root]
    : readdirSync(root).map((name) => `${root}/${name}`);
  return all.filter((directory) => existsSync(`${directory}/cgroup.procs`));
}

/** Control groups outlive the namespaces of those who were in them. */
export function removeGroups(directory: string): void {
  if (!existsSync(directory)) return;
  for (const entry of readdirSync(directory, { withFileTypes: true }))
    if (entry.isDirectory()) removeGroups(`${directory}/${entry.name}`);
  rmdirSync(directory);
}

/**
 * The control groups of a scratch node. A runtime ends a container by its group: all processes in it, whoever has
 * started them.
 */
export class ControlGroups implements Disposable {
  /** Of the node; in each hierarchy the same. */
  readonly #name = `containerized-mounter-test-${randomBytes(4).toString('hex')}`;

  constructor() {
    for (const directory of this.#directories()) mkdirSync(directory);
  }

  #directories(group = ''): readonly string[] {
    return hierarchies().map((hierarchy) => `${hierarchy}/${this.#name}${group}`);
  }

  /** For the node that is to have them: its namespace of control groups begins with them. */
  request(enterNetwork: readonly string[]): NodeRequest {
    return { enterNetwork: [...joining(this.#directories()), ...enterNetwork] };
  }

  async showIn(node: ScratchNode): Promise<void> {
    for (const hierarchy of hierarchies())
      await node.shell(`mount --bind ${hierarchy}/${this.#name} ${hierarchy}`);
  }

  /** A command prefix on the node: what follows is in this group from its start. */
  in(group: string): readonly string[] {
    for (const directory of this.#directories(`/${group}`)) mkdirSync(directory, { recursive: true });
    return joining(hierarchies().map((hierarchy) => `${hierarchy}/${group}`));
  }

  /** As this machine numbers them. */
  processesIn(group: string): readonly number[] {
    const lists = this.#directories(`/${group}`).map((directory) => `${directory}/cgroup.procs`);
    const pids = lists.flatMap((list) => (existsSync(list) ? readFileSync(list, 'utf8').split('\n') : []));
    return [...new Set(pids.filter((pid) => pid !== '').map(Number))];
  }

  /** SIGKILL to all that are in it, and to what those have started meanwhile. @returns when they have ended. */
  async kill(group: string): Promise<void> {
    for (let look = 0; ; look += 1) {
      const pids = this.processesIn(group);
      if (pids.length === 0) return;
      if (look === 500) throw new Error(`not ended by SIGKILL: ${pids}`);
      for (const pid of pids) killIfThere(pid);
      await setTimeout(10);
    }
  }

  /** After the node's end. */
  [Symbol.dispose](): void {
    for (const directory of this.#directories()) removeGroups(directory);
  }
}

/** That of cpuset takes nobody before it has been given processors. */
function joining(directories: readonly string[]): readonly string[] {
  const join = `for group in ${directories.join(' ')}; do echo $$ >$group/cgroup.procs; done`;
  return ['sh', '-c', `{ ${join}; } 2>/dev/null; exec "$@"`, 'sh'];
}

function killIfThere(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended meanwhile.
  }
}
