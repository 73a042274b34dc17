import { table, usualWidth, wrapped } from '../columns.ts';
import { printable } from '../errors.ts';
import type { Host } from '../host/host.ts';
import { readMountinfo } from '../host/mountinfo.ts';
import type { Manifest } from '../manifest/manifest.ts';
import { shippedManifest } from '../manifest/shipped.ts';
import type { RecordedCall } from '../record/parse.ts';
import { grantsOf, noGrant, type VolumeGrant } from '../volumes/grants.ts';
import { type Volume, volumeDirectories, volumesOf } from '../volumes/volumes.ts';

/** What `mounter status --volumes --json` prints of each. */
export type GrantedVolume = Volume & VolumeGrant;

/** Asks neither a volume nor its server. @param settings undefined where none can be read: those that we ship. */
export function observeVolumes(
  host: Host,
  settings: Manifest | undefined,
  calls: readonly RecordedCall[],
): readonly GrantedVolume[] {
  const manifest = settings ?? shippedManifest();
  const entries = readMountinfo(host);
  const volumes = volumesOf(manifest, entries);
  const grants = grantsOf(volumes, entries, calls, volumeDirectories(manifest), host);
  return volumes.map((volume) => ({ ...volume, ...(grants.get(volume.target) ?? noGrant) }));
}

const headings = ['VERSION', 'SEC', 'PROTO', 'TLS', 'READ-AHEAD', 'RSIZE', 'WSIZE', 'NCONNECT', 'LOCKS'];

/** `mounter status --volumes`: a row for each, and below it which one it is, and what it lacks. */
export function describeVolumes(volumes: readonly GrantedVolume[]): string {
  if (volumes.length === 0) return 'no volumes mounted\n';
  const [heading = '', ...rows] = table([headings, ...volumes.map(cellsOf)])
    .trimEnd()
    .split('\n');
  const lines = volumes.flatMap(({ source, target, lessThanAsked }, index) => [
    rows[index] ?? '',
    `  ${printable(source)} on`,
    `  ${printable(target)}`,
    ...lessThanAsked.flatMap(({ option, asked, got, why }) =>
      wrapped(printable(`less than asked: ${option}=${asked} came to ${got}: ${why}`), usualWidth - 4).map(
        (line) => `    ${line}`,
      ),
    ),
  ]);
  return [heading, ...lines, ''].join('\n');
}

function cellsOf({ granted, readAheadKib }: GrantedVolume): readonly string[] {
  const ahead = readAheadKib === null ? '-' : inWords(readAheadKib * 1024);
  if (granted === null) return ['-', '-', '-', '-', ahead, '-', '-', '-', '-'];
  const { version, security, transport, tls, readBytes, writeBytes, connections, locks } = granted;
  const [rsize, wsize] = [inWords(readBytes), inWords(writeBytes)];
  return [version, security, transport, tls, ahead, rsize, wsize, String(connections), locks];
}

/** `1 MiB`, `96 KiB`, `0` */
function inWords(bytes: number): string {
  if (bytes > 0 && bytes % 2 ** 20 === 0) return `${bytes / 2 ** 20} MiB`;
  return bytes > 0 && bytes % 1024 === 0 ? `${bytes / 1024} KiB` : String(bytes);
}
