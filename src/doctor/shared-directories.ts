import { existsSync, realpathSync } from 'node:fs';
import { isShared } from '../manifest/shared-mounts.ts';
import type { DoctorContext } from './context.ts';
import { isNetworkMount } from './network-mount.ts';

/** The host's directories below which volumes are mounted, without symlinks; those that can be looked at. */
export function sharedDirectories({
  manifest,
  entries,
}: Pick<DoctorContext, 'manifest' | 'entries'>): readonly string[] {
  return manifest.mounts.mounter
    .filter(isShared)
    .flatMap(({ host }) =>
      host !== undefined && !isNetworkMount(host, entries) && existsSync(host) ? [realpathSync(host)] : [],
    );
}
