import { existsSync, readFileSync, utimesSync } from 'node:fs';
import { MounterError } from '../errors.ts';
import { exitCode } from '../exit-codes.ts';
import { writeAtomically } from '../host/replace.ts';
import { helperNames } from '../mount/arguments/argv.ts';
import type { Layout } from '../node/layout.ts';
import { readManifest, requireRoot } from '../node/node.ts';
import { type Off, offFiles, offText, parseOff } from '../node/off.ts';
import { offFileState, removeOffFile } from '../node/off-file.ts';
import { makeRunDirectory } from '../node/run-directory.ts';
import { removeHelperLinks } from '../prepare/helper-links.ts';
import type { CommandContext } from './context.ts';
import { parseFlags } from './flags.ts';
import { placeUnlessOff } from './install-helpers.ts';
import { prepareNode } from './prepare.ts';

const specification = { boolean: ['fleet'], string: [], operands: [0, 0] } as const;

/**
 * `mounter disable`: the mounter is off on this node, and mount(8) is as it would be without it. It waits for nobody,
 * and needs nothing that may be broken: no manifest, no rootfs, no lock.
 */
export async function disable(
  argv: readonly string[],
  { layout, host, output }: CommandContext,
): Promise<number> {
  const flags = parseFlags('disable', argv, specification);
  requireRoot(host, 'turning the mounter off');
  if (!existsSync(layout.home)) {
    output.out('nothing is installed here; nothing to do\n');
    return exitCode.success;
  }
  const isFleets = flags.has('fleet');
  const before = switches(layout);
  const own = before.find(({ off }) => off.isFleets === isFleets);
  if (own !== undefined && !isFleets) renew(own);
  const isToWrite = own === undefined && (!isFleets || before.length === 0);
  const hadHelpers = before.some(({ off }) => off.hadHelpers);
  const done = isToWrite ? [`turned off by ${turnOff(layout, { isFleets, hadHelpers })}`] : [];
  const removed = removeHelperLinks(helperNames, layout, undefined);
  if (removed.length > 0 && !hadHelpers) {
    const isByHand = !isFleets || before.some(({ off }) => !off.isFleets);
    turnOff(layout, { isFleets: !isByHand, hadHelpers: true });
  }
  done.push(...removed);
  output.out(done.length === 0 ? 'turned off already; nothing to do\n' : `${done.join('\n')}\n`);
  return exitCode.success;
}

interface Switch {
  readonly path: string;
  readonly off: Off;
  /** What no two states of the file share. */
  readonly state: string;
}

function switches(layout: Layout): readonly Switch[] {
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
function turnOff(layout: Layout, off: Off): string {
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

function offByManifest({ manifest }: Layout): MounterError {
  return new MounterError('"enabled": false turns the mounter off, whatever else is set', {
    subject: manifest,
    status: exitCode.system,
    hint: 'take this line out, then mounter enable again',
  });
}

/** `mounter enable`: takes back what `disable` did, when mounts can work: what cannot be prepared stays off. */
export async function enable(argv: readonly string[], context: CommandContext): Promise<number> {
  const { layout, host, output } = context;
  const flags = parseFlags('enable', argv, specification);
  requireRoot(host, 'turning the mounter on');
  const before = switches(layout);
  const byHand = before.find(({ off }) => !off.isFleets);
  if (byHand !== undefined && flags.has('fleet')) {
    output.out(`turned off by hand, in ${byHand.path}; left so: mounter enable turns it on\n`);
    return exitCode.success;
  }
  const isInstalled = [layout.rootfs, layout.manifest].some((path) => host.lstat(path) !== undefined);
  if (!isInstalled && before.length === 0) output.out('nothing is installed here; nothing to do\n');
  if (isInstalled) {
    if (!(await readManifest(host, layout)).enabled) throw offByManifest(layout);
    await prepareNode(context);
  }
  for (const { path, state } of before) removeOffFile(path, state);
  const [later] = switches(layout);
  if (later !== undefined) output.out(`turned off meanwhile, by ${later.path}; left so\n`);
  else if (before.length > 0) output.out('turned on\n');
  if (later === undefined && before.some(({ off }) => off.hadHelpers)) {
    const placing = await placeUnlessOff(layout, undefined, host);
    output.out((placing?.lines ?? []).map((line) => `${line}\n`).join(''));
  }
  return exitCode.success;
}
