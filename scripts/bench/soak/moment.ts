import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import { execa } from 'execa';
import { parseMountinfo } from '../../../src/host/mountinfo.ts';
import { remains } from '../storm/left.ts';
import { pssMb } from '../storm/memory.ts';
import type { Moment } from './report.ts';

/** What there is now. @param target where the volume is mounted whose daemon stays. */
export async function momentOf(target: string): Promise<Moment> {
  const daemonPid = daemonOf(target);
  const pins = parseMountinfo(readFileSync('/proc/self/mountinfo', 'utf8')).filter(
    ({ fstype }) => fstype === 'nsfs',
  );
  return {
    ...remains(),
    pinned: pins.length,
    pinnedMounts: await Promise.all(pins.map(({ mountPoint }) => mountsIn(mountPoint))),
    daemonPid,
    daemonFds: readdirSync(`/proc/${daemonPid}/fd`).length,
    daemonMb: pssMb(String(daemonPid)),
    mountObjects: mountObjects(),
  };
}

/** Looked at from outside: where mounts are made there is no /proc. */
async function mountsIn(pin: string): Promise<number> {
  // cat(1) waits for its input, and ends with that.
  const inside = execa('nsenter', [`--mount=${pin}`, 'cat'], { stdin: 'pipe' });
  const read = (file: string) => readFileSync(`/proc/${inside.pid}/${file}`, 'utf8');
  while (read('comm') !== 'cat\n') await setTimeout(5);
  const count = read('mountinfo').split('\n').length;
  inside.stdin.end();
  await inside;
  return count;
}

function daemonOf(target: string): number {
  const found = readdirSync('/proc').find((pid) => {
    if (!/^\d+$/.test(pid)) return false;
    try {
      const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').slice(0, -1);
      return words[0]?.endsWith('/glusterfs') === true && words.at(-1)?.replace(/\/$/, '') === target;
    } catch {
      return false; // It ended while we looked.
    }
  });
  if (found === undefined) throw new Error(`no daemon serves ${target}`);
  return Number(found);
}

/**
 * ```
 * mnt_cache           1234   1500    320   12    1 : tunables …
 * (name)         (active)
 * ```
 * @see slabinfo(5)
 */
function mountObjects(): number | null {
  try {
    const [, active] = /^mnt_cache +(\d+)/m.exec(readFileSync('/proc/slabinfo', 'utf8')) ?? [];
    return active === undefined ? null : Number(active);
  } catch {
    return null;
  }
}
