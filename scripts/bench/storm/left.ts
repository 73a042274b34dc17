import { readdirSync, readFileSync } from 'node:fs';
import { parseMountinfo } from '../../../src/host/mountinfo.ts';
import { failuresDirectory, runDirectory } from '../../../src/node/layout.ts';

/** What a node has, to be compared with what it had before a storm. */
export interface Remains {
  /** Command lines of the processes of this pid namespace, without this one. */
  readonly processes: readonly string[];
  readonly mounts: number;
  /** Below /run, but for what is remembered of servers and the log. */
  readonly files: readonly string[];
}

export function remains(): Remains {
  return { processes: processes(), mounts: mountCount(), files: files() };
}

function mountCount(): number {
  return parseMountinfo(readFileSync('/proc/self/mountinfo', 'utf8')).length;
}

function processes(): readonly string[] {
  return readdirSync('/proc').flatMap((pid) => {
    if (!/^\d+$/.test(pid) || Number(pid) === process.pid) return [];
    try {
      const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').slice(0, -1);
      return words.length === 0 ? [] : [words.join(' ')];
    } catch {
      return []; // It ended while we looked.
    }
  });
}

function files(): readonly string[] {
  return ['/run', runDirectory, failuresDirectory]
    .flatMap((directory) => readdirSync(directory).map((name) => `${directory}/${name}`))
    .filter((path) => !/^\/run\/containerized-mounter\/failures\/[0-9a-f]{2}$/.test(path))
    .sort();
}
