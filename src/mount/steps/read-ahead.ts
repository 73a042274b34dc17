import { statusAt } from '../../host/mount-host.ts';
import { type MountEntry, majorMinor, readAheadFile } from '../../host/mountinfo.ts';
import { asMounterError } from '../../host/system-error.ts';
import type { MountContext } from '../context.ts';
import { valueIn } from '../filesystems/option-readings.ts';
import type { MountPlan, SetReadAhead } from '../plan-data.ts';
import { mountEntryOf } from './target.ts';

/**
 * Gives the filesystem of a mount its read-ahead, which all mounts of that filesystem share. A volume's own is written
 * whatever is there; that of the node's settings where there still is the kernel's own. So a volume counts for more than
 * the node, in whatever order they are mounted, and of two volumes the last.
 * @param apart what was mounted; undefined where that is on the target itself.
 * @returns a line for stderr where it was not possible, for a mount works without; '' where it was, and where the
 *   filesystem has none, and no volume asked for it.
 */
export function setReadAhead(
  { kib, isOfVolume }: SetReadAhead,
  { target, driver }: MountPlan,
  apart: MountEntry | undefined,
  context: MountContext,
): string {
  const warning = (why: string) =>
    `mounter: ${target}: is mounted, but its read-ahead is not ${kib} KiB: ${why}\n`;
  // An image's helper may mount something else, of which the settings of the node say nothing.
  if (!isOfVolume && apart !== undefined && !driver.traits.kernelTypes.includes(apart.fstype)) return '';
  try {
    const seen = apart === undefined ? statusAt(target, context.host) : undefined;
    const path = readAheadFile(apart?.device ?? (seen === undefined ? '' : majorMinor(seen.device)));
    const entry = () => apart ?? (seen && mountEntryOf(seen.mountId, context));
    const isLeft = (text: string) =>
      isRounded(Number(text), kib) || (!isOfVolume && !isOfKernel(Number(text), entry));
    const answer = context.host.changeKernelFile(path, (text) => (isLeft(text) ? undefined : `${kib}`));
    if ('text' in answer)
      return isLeft(answer.text) ? '' : warning(`the kernel has ${answer.text.trim()} KiB`);
    return answer.failure === 'ENOENT' && !isOfVolume ? '' : warning(`/sys/${path}: ${answer.failure}`);
  } catch (error) {
    return warning(asMounterError(error).message);
  }
}

/** The kernel counts in pages, of 64 KiB at most. */
function isRounded(found: number, wanted: number): boolean {
  return found <= wanted && wanted - found < 64;
}

/** What NFS and FUSE begin with: 128 KiB; NFS before Linux 5.4: 15 requests, of which the mount table tells the size. */
function isOfKernel(kib: number, entry: () => MountEntry | undefined): boolean {
  if (kib === 128) return true;
  return kib * 1024 === 15 * Number(valueIn(entry()?.superOptions ?? [], 'rsize')[0]);
}
