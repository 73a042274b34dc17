import { existsSync, realpathSync } from 'node:fs';
import type { DoctorContext } from './context.ts';
import { isNetworkMount } from './network-mount.ts';

/** The host's directories below which volumes are mounted, without symlinks; those that can be looked at. */
export function sharedDirectories({
  manifest,
  entries,
}: Pick<DoctorContext, 'manifest' | 'entries'>): readonly string[] {
  return manifest.mounts.mounter.flatMap(({ propagation, host }) =>
    propagation === 'shared' && host !== undefined && !isNetworkMount(host, entries) && existsSync(host)
      ? [realpathSync(host)]
      : [],
  );
}
