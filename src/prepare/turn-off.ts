import { readFileSync, utimesSync } from 'node:fs';
import { MounterError } from '../errors.ts';
import { exitCode } from '../exit-codes.ts';
import { writeAtomically } from '../host/replace.ts';
import { helperNames } from '../mount/arguments/argv.ts';
import type { Layout } from '../node/layout.ts';
import { makeRunDirectory } from '../node/lock.ts';
import { type Off, offFiles, offText, parseOff } from '../node/off.ts';
import { offFileState } from '../node/off-file.ts';
import { removeHelperLinks } from './helper-links.ts';

/**
 * Turns the mounter off on this node, and leaves mount(8) as it would be without it. It waits for nobody, and needs
 * nothing that may be broken: no manifest, no rootfs, no lock.
 * @param isFleets the DaemonSet does it, and may undo it; else somebody by hand, which the DaemonSet leaves alone.
 * @returns what was done, a line each; nothing where it is off already.
 * @throws MounterError (system) where no file can be written that says so.
 */
export function turnOff(layout: Layout, isFleets: boolean): readonly string[] {
  const before = switches(layout);
  const own = before.find(({ off }) => off.isFleets === isFleets);
  if (own !== undefined && !isFleets) renew(own);
  const isToWrite = own === undefined && (!isFleets || before.length === 0);
  const hadHelpers = before.some(({ off }) => off.hadHelpers);
  const done = isToWrite ? [`turned off by ${writeOff(layout, { isFleets, hadHelpers })}`] : [];
  const removed = removeHelperLinks(helperNames, layout);
  if (removed.length > 0 && !hadHelpers) {
    const isByHand = !isFleets || before.some(({ off }) => !off.isFleets);
    writeOff(layout, { isFleets: !isByHand, hadHelpers: true });
  }
  return [...done, ...removed];
}

/** A file that turns the mounter off. */
export interface Switch {
  readonly path: string;
  readonly off: Off;
  /** What no two states of the file share. */
  readonly state: string;
}

export function switches(layout: Layout): readonly Switch[] {
  return offFiles(layout).flatMap((path) => {
    const state = offFileState(path);
    return state === undefined ? [] : [{ path, off: parseOff(textOf(path)), state }];
  });
}

/** Whatever has the name turns the mounter off, also what nobody can read. */
function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

/** An `enable` at work takes away what was there when it began, and nothing that has been said since. */
function renew({ path }: Switch): void {
  const now = new Date();
  try {
    utimesSync(path, now, now);
  } catch {
    // Where this cannot be written, it cannot be taken away either.
  }
}

/** @returns the file that does it. @throws MounterError (system) where there is no place for one. */
function writeOff(layout: Layout, off: Off): string {
  const text = offText(off);
  const [lasting, untilBoot] = offFiles(layout);
  try {
    writeAtomically(lasting, text, 0o644);
    return lasting;
  } catch (error) {
    try {
      makeRunDirectory();
      writeAtomically(untilBoot, text, 0o644);
      return `${untilBoot}, until the next boot: ${(error as Error).message}`;
    } catch {
      throw new MounterError(`cannot be written, and nothing in /run either: ${(error as Error).message}`, {
        subject: lasting,
        status: exitCode.system,
        hint: 'mend the disk, or have something else called than mounter: take the flag away from kubelet',
        cause: error,
      });
    }
  }
}
