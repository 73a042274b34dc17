import {
  existsSync,
  mkdirSync,
  readdirSync,
  readlinkSync,
  realpathSync,
  rmdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { type Host, isSameFile } from '../../host/host.ts';
import { type MountEntry, mountsBelow, readMountinfo } from '../../host/mountinfo.ts';
import { replace } from '../../host/replace.ts';
import { about, isErrnoException } from '../../host/system-error.ts';
import { type Layout, layoutOf, runDirectory, versionDirectories } from '../../node/layout.ts';
import { namespacesLink, type View } from '../../rootfs/entrance.ts';
import { isAtOrBelow } from '../../rootfs/root-processes.ts';
import { applyActions, type MountAction } from '../mount-actions.ts';

/**
 * The files on which mount namespaces are pinned, `<digest>.<number>/<view>`: another directory for each pair that
 * is made, so that the link of a version leads to the old ones or to the new ones, whole, and never to nothing.
 */
export const pinsDirectory = `${runDirectory}/namespaces`;

export const views: readonly View[] = ['services', 'helpers'];

/** The link of an earlier mounter, which pinned one namespace. A version that it has prepared may still have it. */
const formerLink = '.mounter-namespace';

/** The directory of pins that a version's link leads to, be they pinned or not: after a reboot they are not. */
export function pinsOf(root: string): string | undefined {
  return pinsAt(`${root}/${namespacesLink}`);
}

/** The directories of pins that a version's links lead to, or the one file on which an earlier mounter has pinned. */
export function linkedPins(root: string): readonly string[] {
  return [namespacesLink, formerLink].flatMap((name) => pinsAt(`${root}/${name}`) ?? []);
}

function pinsAt(link: string): string | undefined {
  try {
    const pins = readlinkSync(link);
    return pins.startsWith(`${pinsDirectory}/`) ? pins : undefined;
  } catch {
    return undefined;
  }
}

/** A directory for pins of this version, with nothing but our name in it. @throws like node:fs. */
export function newPins(root: string, { home }: Pick<Layout, 'home'>): string {
  const digest = root.slice(root.lastIndexOf('/') + 1).slice(0, 12);
  for (let number = 1; ; number += 1) {
    const pins = `${pinsDirectory}/${digest}.${number}`;
    if (existsSync(pins)) continue;
    mkdirSync(pins, { mode: 0o700 });
    try {
      writeHome(pins, realpathSync(home));
    } catch (error) {
      removePins(pins);
      throw error;
    }
    return pins;
  }
}

/** In a directory of pins: the MOUNTER_HOME that enters by them. */
const homeName = 'home';

function writeHome(pins: string, home: string): void {
  const file = `${pins}/${homeName}`;
  about(file, () => writeFileSync(file, home, { mode: 0o600 }));
}

/** Makes pins ours that our link leads to: an earlier mounter has made them, or MOUNTER_HOME has been moved. */
export function claimPins(pins: string, { home }: Pick<Layout, 'home'>, host: Host): void {
  const path = realpathSync(home);
  if (host.readText(`${pins}/${homeName}`) !== path) writeHome(pins, path);
}

/** @returns what `describe` wrote of the namespaces of `pins`, when they were made. */
export function descriptionOf(pins: string, host: Host): string | undefined {
  return host.readText(`${pins}/description`);
}

/** Writes what `descriptionOf` reads. @throws like node:fs, also where there is one. */
export function describe(pins: string, description: string): void {
  const file = `${pins}/description`;
  about(file, () => writeFileSync(file, description, { flag: 'wx', mode: 0o600 }));
}

/** Has calls enter these from now on. It is one rename, so that there always is a link. */
export function linkPins(root: string, pins: string): void {
  replace(`${root}/${namespacesLink}`, (unfinished) => symlinkSync(pins, unfinished));
  rmSync(`${root}/${formerLink}`, { force: true });
}

/** Has calls enter by chroot(2) from now on. An image may have brought anything under the names of the links. */
export function unlink(root: string): void {
  for (const name of [namespacesLink, `${namespacesLink}.new`, formerLink])
    rmSync(`${root}/${name}`, { recursive: true, force: true });
}

/** The namespaces that are pinned outside of the directories `kept`. */
export function otherPins(kept: readonly string[], entries: readonly MountEntry[]): readonly MountEntry[] {
  return mountsBelow(entries, pinsDirectory).filter(
    ({ mountPoint }) => !kept.some((pins) => isAtOrBelow(mountPoint, pins)),
  );
}

/**
 * Lets go of every namespace that is pinned outside of the directories `kept`. What runs in such a namespace keeps
 * it; nothing else does.
 * @returns what was done, a line each.
 */
export async function unpinOthers(kept: readonly string[], host: Host): Promise<readonly string[]> {
  if (!existsSync(pinsDirectory)) return [];
  const done = await applyActions(
    otherPins(kept, readMountinfo(host))
      .toReversed()
      .map(({ mountPoint }): MountAction => ({ kind: 'detach', to: mountPoint })),
  );
  for (const name of readdirSync(pinsDirectory))
    if (!kept.includes(`${pinsDirectory}/${name}`)) removePins(`${pinsDirectory}/${name}`);
  return done;
}

/** Removes a directory of pins. Somebody else's copy of the mount on one of them keeps the file, until a later run. */
export function removePins(pins: string): void {
  try {
    rmSync(pins, { recursive: true, force: true });
  } catch (error) {
    if (!isErrnoException(error) || error.code !== 'EBUSY') throw error;
  }
}

/**
 * The directories of pins that another MOUNTER_HOME enters by: they are not ours to let go of. A name tells nothing, for
 * after a reboot another may have one that an old link of ours leads to. Of an earlier mounter's pins nobody knows whose
 * they are: whoever comes first takes them.
 */
export function pinsOfOthers({ home }: Pick<Layout, 'home'>, host: Host): readonly string[] {
  if (!existsSync(pinsDirectory)) return [];
  return readdirSync(pinsDirectory)
    .map((name) => `${pinsDirectory}/${name}`)
    .filter((pins) => {
      const other = host.readText(`${pins}/${homeName}`);
      return other !== undefined && other !== home && isEnteredBy(other, pins, home, host);
    });
}

function isEnteredBy(other: string, pins: string, home: string, host: Host): boolean {
  try {
    if (isSameFile(host.stat(other), host.stat(home))) return false;
    return versionDirectories(layoutOf(other), host).flatMap(linkedPins).includes(pins);
  } catch (error) {
    if (isErrnoException(error)) return true; // On a disk that fails; it cannot be told now.
    throw error;
  }
}

/**
 * For `teardown`: takes the directory of the pins away as well. Where MOUNTER_HOME was removed without one, what it has
 * left goes, too.
 * @returns what was done, a line each; another installation's pins stay.
 */
export async function removeAllPins(layout: Layout, host: Host): Promise<readonly string[]> {
  const kept = pinsOfOthers(layout, host);
  const done = [...(await unpinOthers(kept, host))];
  if (kept.length > 0)
    return [...done, `left ${pinsDirectory} as it is, which another MOUNTER_HOME has prepared`];
  const layers = readMountinfo(host).filter(({ mountPoint }) => mountPoint === pinsDirectory);
  done.push(...(await applyActions(layers.map(() => ({ kind: 'detach', to: pinsDirectory })))));
  if (existsSync(pinsDirectory) && readdirSync(pinsDirectory).length === 0) rmdirSync(pinsDirectory);
  return done;
}
