import type { Host } from '../../host/host.ts';
import type { Layout } from '../../node/layout.ts';
import { readRecord, unknownRecord, type VersionRecord } from './version-record.ts';
import { useOf, type VersionUse } from './version-use.ts';
import { currentDigest, installedDigests } from './versions.ts';

/** A version and what is known of it. */
export interface InstalledVersion
  extends Pick<VersionRecord, 'digest' | 'reference' | 'installedAt' | 'bytes'>,
    VersionUse {
  readonly manifest: string | null;
  readonly isCurrent: boolean;
  readonly isPrevious: boolean;
}

/** The version that was in use before the current one, where it still is there. */
export function previousDigest(layout: Layout): string | undefined {
  const current = currentDigest(layout);
  const previous = current === undefined ? undefined : readRecord(layout, current)?.previous;
  return previous && installedDigests(layout).includes(previous) ? previous : undefined;
}

/** In the order in which they were installed, the latest first. */
export function listVersions(layout: Layout, host: Host): readonly InstalledVersion[] {
  const [current, previous] = [currentDigest(layout), previousDigest(layout)];
  const processes = host.processes();
  const once = { ...host, processes: () => processes };
  return installedDigests(layout)
    .map((digest) => {
      const record = readRecord(layout, digest) ?? { ...unknownRecord, manifest: null };
      const { reference, installedAt, bytes, manifest } = record;
      const state = { isCurrent: digest === current, isPrevious: digest === previous };
      return { digest, reference, installedAt, bytes, manifest, ...state, ...useOf(layout, digest, once) };
    })
    .sort((a, b) => (b.installedAt ?? '').localeCompare(a.installedAt ?? ''));
}
