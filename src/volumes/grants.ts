import { MounterError } from '../errors.ts';
import type { Host } from '../host/host.ts';
import { type MountEntry, readAheadFile } from '../host/mountinfo.ts';
import type { SharedDirectory } from '../manifest/shared-mounts.ts';
import { grantReaderOf } from '../mount/filesystems/all.ts';
import type { Granted, Shortfall } from '../mount/filesystems/filesystem-driver.ts';
import { readAheadOf } from '../mount/policy/read-ahead.ts';
import type { RecordedCall } from '../record/parse.ts';
import type { Volume } from './volumes.ts';

/** What a volume really has, and what of that is less than was asked for. */
export interface VolumeGrant {
  /** Null for a filesystem of which the kernel lists too little. */
  readonly granted: Granted | null;
  /** Of its filesystem; null where the kernel does not say. */
  readonly readAheadKib: number | null;
  /** By the record of the call that mounted it; empty also where there is none any more. */
  readonly lessThanAsked: readonly Shortfall[];
}

export const noGrant: VolumeGrant = { granted: null, readAheadKib: null, lessThanAsked: [] };

type Asked = Pick<RecordedCall, 'fstype' | 'options'>;

/**
 * By the mount table, /sys and the record alone: no server is asked, whatever hangs.
 * @param entries the mount table that the volumes are from.
 * @param calls oldest first.
 * @param directories those of `volumeDirectories`.
 * @returns target → what it has, for every volume.
 */
export function grantsOf(
  volumes: readonly Volume[],
  entries: readonly MountEntry[],
  calls: readonly RecordedCall[],
  directories: readonly SharedDirectory[],
  host: Pick<Host, 'readText'>,
): ReadonlyMap<string, VolumeGrant> {
  const byTarget = new Map(entries.map((entry) => [entry.mountPoint, entry]));
  const asked = askedFor(calls, directories);
  // A Pod's view of a volume of CSI was not mounted by a call of its own.
  const byFilesystem = new Map<string, Asked>();
  for (const { target } of volumes) {
    const [entry, own] = [byTarget.get(target), asked.get(target)];
    if (entry !== undefined && own !== undefined) byFilesystem.set(whatOf(entry), own);
  }
  // Thousands of volumes may be of a few filesystems.
  const devices = new Set(volumes.flatMap(({ target }) => byTarget.get(target)?.device ?? []));
  const readAheads = new Map([...devices].map((device) => [device, readAheadKibOf(device, host)]));
  return new Map(
    volumes.flatMap(({ target }) => {
      const entry = byTarget.get(target);
      if (entry === undefined) return [];
      const one = asked.get(target) ?? byFilesystem.get(whatOf(entry));
      return [[target, grantOf(entry, one, readAheads.get(entry.device) ?? null)] as const];
    }),
  );
}

/** Mounts of several directories of one NFSv4 filesystem differ in their source alone. */
function whatOf({ device, root, source }: MountEntry): string {
  return `${device} ${root} ${source}`;
}

/** Target, as the mount table has it → the last call that has mounted something on it. */
function askedFor(
  calls: readonly RecordedCall[],
  directories: readonly SharedDirectory[],
): ReadonlyMap<string, Asked> {
  // The kubelet directory may be a symlink; there is none below it.
  const seen = (target: string) => {
    const found = directories.find(({ rootfs }) => target.startsWith(`${rootfs}/`));
    return found === undefined ? target : found.host + target.slice(found.rootfs.length);
  };
  const mounts = calls.filter(
    ({ command, status, wasMounted, isFake }) =>
      command === 'mount' && status === 0 && wasMounted !== true && isFake !== true,
  );
  return new Map(mounts.flatMap((call) => (call.target === undefined ? [] : [[seen(call.target), call]])));
}

function readAheadKibOf(device: string, host: Pick<Host, 'readText'>): number | null {
  const text = host.readText(`/sys/${readAheadFile(device)}`);
  return text === undefined ? null : Number(text);
}

function grantOf(entry: MountEntry, asked: Asked | undefined, readAheadKib: number | null): VolumeGrant {
  const reader = grantReaderOf(entry.fstype);
  const granted = reader?.granted(entry) ?? null;
  const found = { granted, readAheadKib, lessThanAsked: [] };
  if (asked?.fstype === undefined) return found;
  const { fstype, options = '' } = asked;
  try {
    const shortfalls = granted === null ? [] : (reader?.shortfalls({ fstype, options }, granted) ?? []);
    return {
      ...found,
      lessThanAsked: [...shortfalls, ...readAheadShortfall(readAheadOf(options), readAheadKib)],
    };
  } catch (error) {
    // A line that was cut to its length, or is of another mounter.
    if (error instanceof MounterError) return found;
    throw error;
  }
}

/** The kernel rounds down to pages, of 64 KiB at most. */
function readAheadShortfall(wanted: number | undefined, kib: number | null): readonly Shortfall[] {
  if (wanted === undefined || kib === null || wanted - kib < 64) return [];
  const why =
    'mounts of one filesystem share it, unless they are mounted with nosharecache, and another one, or udev (nfsrahead), has set it since';
  return [{ option: 'read-ahead', asked: `${wanted}`, got: `${kib}`, why }];
}
