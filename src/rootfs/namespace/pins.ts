import {
  existsSync,
  readdirSync,
  readlinkSync,
  renameSync,
  rmdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import type { Host } from '../../host/host.ts';
import { type MountEntry, mountsBelow, readMountinfo } from '../../host/mountinfo.ts';
import { isErrnoException } from '../../host/system-error.ts';
import { namespaceLink } from '../enter.ts';
import { runDirectory } from '../layout.ts';
import { applyActions, type MountAction } from '../mount-actions.ts';

/**
 * The files on which mount namespaces are pinned, `<digest>.<number>`: another one for each namespace that is
 * made, so that the link of a version leads to the old one or to the new one, whole, and never to nothing.
 */
export const pinsDirectory = `${runDirectory}/namespaces`;

/** The pin that a version's link leads to, be it pinned or not: after a reboot it is not. */
export function pinOf(root: string): string | undefined {
  try {
    const pin = readlinkSync(`${root}/${namespaceLink}`);
    return pin.startsWith(`${pinsDirectory}/`) ? pin : undefined;
  } catch {
    return undefined;
  }
}

/** An empty file for the next pin of this version. */
export function newPin(root: string): string {
  const digest = root.slice(root.lastIndexOf('/') + 1).slice(0, 12);
  for (let number = 1; ; number += 1) {
    const pin = `${pinsDirectory}/${digest}.${number}`;
    if (existsSync(pin)) continue;
    writeFileSync(pin, '', { flag: 'wx', mode: 0o600 });
    return pin;
  }
}

/** From now on calls enter this one. One rename: another name is never there. */
export function linkPin(root: string, pin: string): void {
  const unfinished = `${root}/${namespaceLink}.new`;
  rmSync(unfinished, { force: true });
  symlinkSync(pin, unfinished);
  renameSync(unfinished, `${root}/${namespaceLink}`);
}

/** From now on calls enter by chroot(2). Whatever has that name: an image may have brought it. */
export function unlink(root: string): void {
  for (const name of [namespaceLink, `${namespaceLink}.new`])
    rmSync(`${root}/${name}`, { recursive: true, force: true });
}

/** The namespaces that are pinned, but for one. @param kept its pin, or undefined for none. */
export function otherPins(kept: string | undefined, entries: readonly MountEntry[]): readonly MountEntry[] {
  return mountsBelow(entries, pinsDirectory).filter(({ mountPoint }) => mountPoint !== kept);
}

/**
 * Lets go of every namespace but one: what runs in them keeps them, and nothing else does.
 * @param kept a pin, or undefined for none.
 * @returns what was done, a line each.
 */
export async function unpinOthers(kept: string | undefined, host: Host): Promise<readonly string[]> {
  if (!existsSync(pinsDirectory)) return [];
  const done = await applyActions(
    otherPins(kept, readMountinfo(host))
      .toReversed()
      .map(({ mountPoint }): MountAction => ({ kind: 'detach', to: mountPoint })),
  );
  for (const name of readdirSync(pinsDirectory))
    if (`${pinsDirectory}/${name}` !== kept) removePin(`${pinsDirectory}/${name}`);
  return done;
}

/** Somebody else's copy of the mount on it keeps the file, until a later run. */
function removePin(pin: string): void {
  try {
    rmSync(pin, { force: true });
  } catch (error) {
    if (!isErrnoException(error) || error.code !== 'EBUSY') throw error;
  }
}

/** For `teardown`: takes the directory of the pins away as well. @returns what was done, a line each. */
export async function removePins(host: Host): Promise<readonly string[]> {
  const done = [...(await unpinOthers(undefined, host))];
  const layers = readMountinfo(host).filter(({ mountPoint }) => mountPoint === pinsDirectory);
  done.push(...(await applyActions(layers.map(() => ({ kind: 'detach', to: pinsDirectory })))));
  if (existsSync(pinsDirectory) && readdirSync(pinsDirectory).length === 0) rmdirSync(pinsDirectory);
  return done;
}
