import type { Host, ProcessInformation } from '../../host/host.ts';
import type { MountEntry } from '../../host/mountinfo.ts';
import type { Layout } from '../../node/layout.ts';
import { readRecord } from './version-record.ts';
import { useOf } from './version-use.ts';
import { currentDigest, installedDigests } from './versions.ts';

/** A version and what is known of it. */
export interface InstalledVersion {
  readonly digest: string;
  readonly reference: string | null;
  readonly installedAt: string | null;
  readonly bytes: number | null;
  /** The text of the manifest it was installed with. */
  readonly manifest: string | null;
  readonly isCurrent: boolean;
  readonly isPrevious: boolean;
  readonly processes: readonly ProcessInformation[];
  readonly mounts: readonly MountEntry[];
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
      const {
        reference = null,
        installedAt = null,
        bytes = null,
        manifest = null,
      } = readRecord(layout, digest) ?? {};
      return {
        digest,
        reference,
        installedAt,
        bytes,
        manifest,
        isCurrent: digest === current,
        isPrevious: digest === previous,
        ...useOf(layout, digest, once),
      };
    })
    .sort((a, b) => (b.installedAt ?? '').localeCompare(a.installedAt ?? ''));
}
