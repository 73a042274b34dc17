import type { Host } from '../host/host.ts';
import { listVersions } from '../image/versions/version-list.ts';
import { jsonOrUndefined } from '../json.ts';
import type { Layout } from '../node/layout.ts';

/** A version of the rootfs that is installed, and what needs it. */
export interface VersionReport {
  readonly digest: string;
  readonly state: 'current' | 'previous' | 'other';
  readonly reference: string | null;
  readonly installedAt: string | null;
  readonly bytes: number | null;
  readonly processes: readonly { readonly pid: number; readonly program: string }[];
  readonly mounts: number;
  /** Debian's packages in it, by the manifest that it was installed with; of the current one alone. */
  readonly packages: readonly string[];
}

const mostVersions = 20;
const mostProcesses = 50;

export function versionsReport(layout: Layout, host: Host): readonly VersionReport[] {
  return listVersions(layout, host)
    .slice(0, mostVersions)
    .map(({ digest, isCurrent, isPrevious, reference, installedAt, bytes, processes, mounts, manifest }) => ({
      digest,
      state: isCurrent ? 'current' : isPrevious ? 'previous' : 'other',
      reference,
      installedAt,
      bytes,
      processes: processes.slice(0, mostProcesses).map(({ pid, name }) => ({ pid, program: name })),
      mounts: mounts.length,
      packages: isCurrent ? packagesOf(manifest ?? '') : [],
    }));
}

function packagesOf(manifest: string): readonly string[] {
  const { rootfs } = (jsonOrUndefined(manifest) ?? {}) as { rootfs?: { packages?: unknown } };
  const packages = Array.isArray(rootfs?.packages) ? rootfs.packages : [];
  return packages.slice(0, 300).map(({ name, version }) => `${name} ${version}`);
}
