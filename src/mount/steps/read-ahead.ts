import { type MountEntry, readAheadFile } from '../../host/mountinfo.ts';
import { asMounterError } from '../../host/system-error.ts';
import type { MountContext } from '../context.ts';
import { valueIn } from '../filesystems/option-readings.ts';
import type { SetReadAhead } from '../plan-data.ts';
import { mountEntryOf } from './target.ts';

/**
 * Gives the filesystem of a mount its read-ahead, which all mounts of that filesystem share. A volume's own is written
 * whatever is there; that of the node's settings where there still is the kernel's own. So a volume counts for more than
 * the node, in whatever order they are mounted, and of two volumes the last.
 * @param apart what was mounted; undefined where that is on the target itself.
 * @returns a line for stderr where it was not possible, for a mount works without; '' where it was.
 */
export async function setReadAhead(
  { kib, isOfVolume }: SetReadAhead,
  target: string,
  apart: MountEntry | undefined,
  context: MountContext,
): Promise<string> {
  const warning = (why: string) =>
    `mounter: ${target}: is mounted, but its read-ahead is not ${kib} KiB: ${why}\n`;
  try {
    const entry = apart ?? entryAt(target, context);
    if (entry === undefined) return warning('the mount is not found');
    const path = readAheadFile(entry);
    const isLeft = (text: string) =>
      isRounded(Number(text), kib) || (!isOfVolume && !isOfKernel(Number(text), entry));
    const answer = await context.host.changeKernelFile(path, (text) => (isLeft(text) ? undefined : `${kib}`));
    if ('failure' in answer) return warning(`/sys/${path}: ${answer.failure}`);
    return isLeft(answer.text) ? '' : warning(`the kernel has ${answer.text.trim()} KiB`);
  } catch (error) {
    return warning(asMounterError(error).message);
  }
}

function entryAt(target: string, context: MountContext): MountEntry | undefined {
  const { host } = context;
  const file = host.openDirectory(target);
  if (file === undefined) return undefined;
  const { mountId } = host.statusOf(file);
  host.close(file);
  return mountEntryOf(mountId, context);
}

/** The kernel counts in pages, of 64 KiB at most. */
function isRounded(found: number, wanted: number): boolean {
  return found <= wanted && wanted - found < 64;
}

/** What NFS and FUSE begin with: 128 KiB; NFS before Linux 5.4: 15 requests. */
function isOfKernel(kib: number, { superOptions }: MountEntry): boolean {
  return kib === 128 || kib * 1024 === 15 * Number(valueIn(superOptions, 'rsize')[0]);
}
