import { existsSync, readFileSync, rmSync } from 'node:fs';
import { MounterError } from '../errors.ts';
import { exitCode } from '../exit-codes.ts';
import { placeHelperLinks, removeHelperLinks } from '../helper-links.ts';
import { writeAtomically } from '../host/files.ts';
import { helperNames } from '../mount/argv.ts';
import type { Layout } from '../rootfs/layout.ts';
import { readManifest, requireRoot } from '../rootfs/node.ts';
import { withNodeLock } from '../rootfs/node-lock.ts';
import { type Off, offFile, offFiles, offText, parseOff } from '../rootfs/off.ts';
import { makeRunDirectory } from '../rootfs/run-directory.ts';
import type { CommandContext } from './context.ts';
import { parseFlags } from './flags.ts';
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
  const file = offFile(host, layout);
  const before = file === undefined ? undefined : parseOff(readFileSync(file, 'utf8'));
  const isFleets = flags.has('fleet') && before?.isFleets !== false;
  const hadHelpers = before?.hadHelpers ?? false;
  const done =
    before?.isFleets === isFleets ? [] : [`turned off by ${turnOff(layout, { isFleets, hadHelpers })}`];
  const removed = removeHelperLinks(helperNames, layout, undefined);
  if (removed.length > 0 && !hadHelpers) turnOff(layout, { isFleets, hadHelpers: true });
  done.push(...removed);
  output.out(done.length === 0 ? 'turned off already; nothing to do\n' : `${done.join('\n')}\n`);
  return exitCode.success;
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
  const file = offFile(host, layout);
  const off = file === undefined ? undefined : parseOff(readFileSync(file, 'utf8'));
  if (flags.has('fleet') && off?.isFleets === false) {
    output.out(`turned off by hand, in ${file}; left so: mounter enable turns it on\n`);
    return exitCode.success;
  }
  // Where nothing is installed, there is nothing to prepare.
  if ([layout.rootfs, layout.manifest].some((path) => host.lstat(path) !== undefined)) {
    if (!(await readManifest(host, layout)).enabled) throw offByManifest(layout);
    await prepareNode(context);
  }
  for (const path of offFiles(layout)) rmSync(path, { force: true });
  if (file !== undefined) output.out('turned on\n');
  if (off?.hadHelpers === true) {
    const { lines } = await withNodeLock(async () => placeHelperLinks(helperNames, layout, undefined));
    output.out(lines.map((line) => `${line}\n`).join(''));
  }
  return exitCode.success;
}
