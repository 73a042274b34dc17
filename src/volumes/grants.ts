import { MounterError } from '../errors.ts';
import type { Host } from '../host/host.ts';
import { type MountEntry, readAheadFile } from '../host/mountinfo.ts';
import type { Manifest } from '../manifest/manifest.ts';
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
 * @returns target → what it has, for every volume.
 */
export function grantsOf(
  volumes: readonly Volume[],
  entries: readonly MountEntry[],
  calls: readonly RecordedCall[],
  manifest: Pick<Manifest, 'filesystems'>,
  host: Pick<Host, 'readText'>,
): ReadonlyMap<string, VolumeGrant> {
  const byTarget = new Map(entries.map((entry) => [entry.mountPoint, entry]));
  const asked = askedFor(calls);
  // A Pod's view of a volume of CSI was not mounted by a call of its own.
  const byFilesystem = new Map<string, Asked>();
  for (const { target } of volumes) {
    const [entry, own] = [byTarget.get(target), asked.get(target)];
    if (entry !== undefined && own !== undefined) byFilesystem.set(`${entry.device} ${entry.root}`, own);
  }
  return new Map(
    volumes.flatMap(({ target }) => {
      const entry = byTarget.get(target);
      if (entry === undefined) return [];
      const one = asked.get(target) ?? byFilesystem.get(`${entry.device} ${entry.root}`);
      return [[target, grantOf(entry, one, manifest, host)] as const];
    }),
  );
}

/** Target → the last call that has mounted something on it. */
function askedFor(calls: readonly RecordedCall[]): ReadonlyMap<string, Asked> {
  const mounts = calls.filter(
    ({ command, status, wasMounted, isFake }) =>
      command === 'mount' && status === 0 && wasMounted !== true && isFake !== true,
  );
  return new Map(mounts.flatMap((call) => (call.target === undefined ? [] : [[call.target, call]])));
}

function grantOf(
  entry: MountEntry,
  asked: Asked | undefined,
  { filesystems }: Pick<Manifest, 'filesystems'>,
  host: Pick<Host, 'readText'>,
): VolumeGrant {
  const reader = grantReaderOf(entry.fstype);
  const granted = reader?.granted(entry) ?? null;
  const text = host.readText(`/sys/${readAheadFile(entry)}`);
  const readAheadKib = text === undefined ? null : Number(text);
  const found = { granted, readAheadKib, lessThanAsked: [] };
  if (asked?.fstype === undefined) return found;
  const { fstype, options = '' } = asked;
  const filesystem = Object.hasOwn(filesystems, fstype) ? filesystems[fstype] : undefined;
  try {
    const wanted = readAheadOf(options) ?? filesystem?.readAheadKib;
    const shortfalls = granted === null ? [] : (reader?.shortfalls({ fstype, options }, granted) ?? []);
    return { ...found, lessThanAsked: [...shortfalls, ...readAheadShortfall(wanted, readAheadKib)] };
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
