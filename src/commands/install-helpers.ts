import { MounterError } from '../errors.ts';
import { exitCode } from '../exit-codes.ts';
import type { Host } from '../host/host.ts';
import { helperNames } from '../mount/arguments/argv.ts';
import type { Layout } from '../node/layout.ts';
import { withNodeLock } from '../node/node-lock.ts';
import { offFile } from '../node/off.ts';
import { helperDirectories, placeHelperLinks, removeHelperLinks } from '../prepare/helper-links.ts';
import type { Flags } from './flags.ts';

/** The flags of `mounter install` that are about mount(8)'s helpers. */
export const helperFlags = { boolean: ['helpers', 'remove-helpers'], string: ['directory'] } as const;

/** Whether the call is about them: SOURCE may be left out then. */
export function isAboutHelpers(argv: readonly string[]): boolean {
  return helperFlags.boolean.some((name) => argv.includes(`--${name}`));
}

/** `mounter install --helpers`, `--remove-helpers` @returns what to say, a line each. */
export async function installHelpers(flags: Flags, layout: Layout, host: Host): Promise<string> {
  const directory = flags.value('directory');
  if (flags.has('remove-helpers')) {
    const removed = await withNodeLock(async () => removeHelperLinks(helperNames, layout, directory));
    return removed.length === 0 ? 'no helper of ours is there; nothing to do\n' : `${removed.join('\n')}\n`;
  }
  if (!flags.has('helpers')) return '';
  const placing = await placeUnlessOff(layout, directory, host);
  if (placing === undefined)
    return 'the mounter is turned off, and no helper is placed: run mounter enable, then this again\n';
  const { lines, placed } = placing;
  const elsewhere =
    directory === undefined || helperDirectories.includes(directory) ? [] : [notLookedIn(directory)];
  const said = [...lines, ...(placed === 0 ? ['helpers in place already; nothing to do'] : elsewhere)];
  return `${said.join('\n')}\n`;
}

/**
 * A helper of a mounter that is off makes mount(8) worse than it is without: `disable` waits for no lock.
 * @returns undefined where it is off, and none is placed. @throws as `placeHelperLinks`
 */
export function placeUnlessOff(layout: Layout, directory: string | undefined, host: Host) {
  const isOff = () => offFile(host, layout) !== undefined;
  return withNodeLock(async () => {
    const placing = isOff() ? undefined : placeHelperLinks(helperNames, layout, directory);
    if (!isOff()) return placing;
    removeHelperLinks(helperNames, layout, directory);
    return undefined;
  });
}

/** Before anything is done. @throws MounterError (usage) */
export function checkHelperFlags(flags: Flags): void {
  const directory = flags.value('directory');
  const [adds, removes] = [flags.has('helpers'), flags.has('remove-helpers')];
  if (adds && removes) throw usage('--remove-helpers', 'contradicts --helpers', 'give one of the two');
  if (directory === undefined) return;
  if (!adds && !removes) throw usage('--directory', 'has a meaning with --helpers only', 'add --helpers');
  if (!directory.startsWith('/'))
    throw usage('--directory', `${directory} is a relative path`, 'give the absolute path');
}

function notLookedIn(directory: string): string {
  return `mount(8) looks in ${helperDirectories.join(', ')}: ${directory} has to be bound to one of them`;
}

function usage(subject: string, message: string, hint: string): MounterError {
  return new MounterError(message, { subject, status: exitCode.usage, hint });
}
