import { existsSync, readFileSync, utimesSync } from 'node:fs';
import { MounterError } from '../errors.ts';
import { exitCode } from '../exit-codes.ts';
import { writeAtomically } from '../host/replace.ts';
import { helperNames } from '../mount/arguments/argv.ts';
import type { Layout } from '../node/layout.ts';
import { makeRunDirectory } from '../node/lock.ts';
import { helpersWanted, type Off, offFiles, offText, parseOff } from '../node/off.ts';
import { offFileState } from '../node/off-file.ts';
import { helperLinks, removeHelperLinks } from './helper-links.ts';

/**
 * Turns the mounter off on this node, and leaves mount(8) as it would be without it. It waits for nobody, and needs
 * nothing that may be broken: no manifest, no rootfs, no lock.
 * @param isFleets the DaemonSet does it, and may undo it; else somebody by hand, which the DaemonSet leaves alone.
 * @returns what was done, a line each; nothing where it is off already.
 * @throws MounterError (system) where no file can be written that says so.
 */
export function turnOff(layout: Layout, isFleets: boolean): readonly string[] {
  // The links first: who takes them away has said so in a file before, and who places them keeps one until then.
  const hasHelpers = helperLinks(helperNames, layout).length > 0;
  const before = switches(layout);
  const own = before.find(({ off }) => off.isFleets === isFleets);
  if (own !== undefined && !isFleets) renew(own);
  const isOff = own !== undefined || (isFleets && before.length > 0);
  const isByHand = !isFleets || before.some(({ off }) => !off.isFleets);
  const isKnown = before.some(({ off }) => off.hadHelpers);
  const hadHelpers = hasHelpers || isKnown || areHelpersWanted(layout);
  const file = isOff && hadHelpers === isKnown ? '' : writeOff(layout, { isFleets: !isByHand, hadHelpers });
  const removed = removeHelperLinks(helperNames, layout);
  // An install has placed them meanwhile.
  if (removed.length > 0 && !hadHelpers) writeOff(layout, { isFleets: !isByHand, hadHelpers: true });
  return [...(isOff ? [] : [`turned off by ${file}`]), ...removed];
}

/** Whether an `enable` was killed before the helpers of mount(8) were there again. */
export function areHelpersWanted(layout: Layout): boolean {
  return offFiles(layout).map(helpersWanted).some(existsSync);
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
    // Another `disable` at the same moment was faster.
    if (textOf(lasting) === text) return lasting;
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
