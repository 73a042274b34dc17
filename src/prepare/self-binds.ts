import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import type { Host } from '../host/host.ts';
import { isPeer, isSelfBind, mountsOn } from '../host/mount-tree.ts';
import { type MountEntry, mountAt, readMountinfo } from '../host/mountinfo.ts';
import { runProgram } from '../host/run-program.ts';
import { about } from '../host/system-error.ts';
import { runDirectory } from '../node/layout.ts';

/** Which directories `prepare` bound on themselves, for `teardown`: gone after a reboot, like the binds. */
const selfBindsFile = `${runDirectory}/self-binds`;

export function recordSelfBind(directory: string): void {
  about(selfBindsFile, () => writeFileSync(selfBindsFile, `${directory}\n`, { flag: 'a', mode: 0o644 }));
}

/** Whether `prepare` did, and the bind is there. */
export function isOurSelfBind(directory: string, entries: readonly MountEntry[]): boolean {
  const entry = mountAt(entries, directory);
  return entry !== undefined && isSelfBind(entry, entries) && recordedSelfBinds().has(directory);
}

/**
 * Takes the binds back, except where others have mounted below them, or the rootfs of another MOUNTER_HOME shows them.
 * @param kept directories whose bind stays.
 * @returns what was done, a line each.
 */
export async function undoSelfBinds(host: Host, kept: readonly string[]): Promise<readonly string[]> {
  const done: string[] = [];
  const recorded = [...recordedSelfBinds()];
  let isAllUndone = !recorded.some((directory) => kept.includes(directory));
  for (const directory of recorded.filter((one) => !kept.includes(one))) {
    const entries = readMountinfo(host);
    const entry = mountAt(entries, directory);
    if (entry === undefined || !isSelfBind(entry, entries)) continue;
    const peer = entries.find((other) => other !== entry && isPeer(other, entry));
    if (peer === undefined && (await unmountIfFree(entry, host))) {
      done.push(`unmounted ${directory}`);
      continue;
    }
    const why = peer === undefined ? 'other mounts are below it' : `${peer.mountPoint} shows it`;
    done.push(`left ${directory} as it is: ${why}`);
    isAllUndone = false;
  }
  if (isAllUndone) rmSync(selfBindsFile, { force: true });
  return done;
}

/** Something may be mounted on it at this very moment. */
async function unmountIfFree(bind: MountEntry, host: Host): Promise<boolean> {
  if (mountsOn(bind, readMountinfo(host)).length > 0) return false;
  try {
    await runProgram('umount', ['--no-canonicalize', bind.mountPoint]);
    return true;
  } catch (error) {
    if (mountsOn(bind, readMountinfo(host)).length > 0) return false;
    throw error;
  }
}

function recordedSelfBinds(): ReadonlySet<string> {
  if (!existsSync(selfBindsFile)) return new Set();
  return new Set(
    readFileSync(selfBindsFile, 'utf8')
      .split('\n')
      .filter((line) => line !== ''),
  );
}
