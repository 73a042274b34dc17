import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import type { Host } from '../host/host.ts';
import { mountAt, mountsBelow, readMountinfo } from '../host/mountinfo.ts';
import { runProgram } from '../host/run-program.ts';
import { runDirectory } from './layout.ts';
import { isSelfBind } from './mount-tree.ts';

/** Which directories `prepare` bound on themselves, for `teardown`: gone after a reboot, like the binds. */
const selfBindsFile = `${runDirectory}/self-binds`;

export function recordSelfBind(directory: string): void {
  writeFileSync(selfBindsFile, `${directory}\n`, { flag: 'a', mode: 0o644 });
}

/** Takes the binds back, except where others have mounted below them. @returns what was done, a line each. */
export async function undoSelfBinds(host: Host): Promise<readonly string[]> {
  const done: string[] = [];
  let isAllUndone = true;
  for (const directory of recordedSelfBinds()) {
    const entries = readMountinfo(host);
    const entry = mountAt(entries, directory);
    if (entry === undefined || !isSelfBind(entry, entries)) continue;
    if (mountsBelow(entries, directory).length > 0) {
      done.push(`left ${directory} as it is: other mounts are below it`);
      isAllUndone = false;
      continue;
    }
    await runProgram('umount', ['--no-canonicalize', directory]);
    done.push(`unmounted ${directory}`);
  }
  if (isAllUndone) rmSync(selfBindsFile, { force: true });
  return done;
}

function recordedSelfBinds(): ReadonlySet<string> {
  if (!existsSync(selfBindsFile)) return new Set();
  return new Set(
    readFileSync(selfBindsFile, 'utf8')
      .split('\n')
      .filter((line) => line !== ''),
  );
}
