import { lstatSync, readFileSync } from 'node:fs';
import { fileStateOf } from '../host/file-state.ts';
import type { Manifest } from '../manifest/manifest.ts';
import { isShared } from '../manifest/shared-mounts.ts';
import { helperNames } from '../mount/arguments/argv.ts';
import { type Layout, runDirectory } from '../node/layout.ts';
import { offFiles } from '../node/off.ts';
import { settingsFile } from '../node/settings.ts';
import { helperDirectories } from '../prepare/helper-links.ts';
import { isAtOrBelow } from '../rootfs/root-processes.ts';
import { lockServices } from '../services/services.ts';
import { pathOnHost } from './on-host.ts';

/**
 * What a round leaves on the host, as text that differs when anybody changes it. A node that is in order is looked at
 * by this every few seconds, which starts no program; whole rounds are rare then, and see the rest.
 */
export function lookAtHost(layout: Layout, manifest: Manifest): string {
  const { filesystems, daemons, mounts } = manifest;
  const shared = mounts.mounter.filter(isShared).map(({ rootfs }) => rootfs);
  const inRootfs = [
    '/etc/resolv.conf',
    ...Object.values(filesystems).map(({ helper }) => helper),
    ...lockServices.map(({ role }) => daemons[role].path),
    daemons.startStatd,
  ];
  const files = [
    layout.executable,
    layout.fullExecutable,
    layout.manifest,
    layout.nodeSettings,
    layout.startStatd,
    layout.rootfs,
    ...offFiles(layout),
    settingsFile,
    '/etc/resolv.conf',
    ...helperDirectories.flatMap((directory) => helperNames.map((name) => `${directory}/${name}`)),
    ...inRootfs.map((path) => `${layout.rootfs}${path}`),
  ];
  return [...files.map(stateOf), ...mountLinesIn([layout.home, runDirectory], shared)].join('\n');
}

/** The state of the file, or of the symlink itself. */
function stateOf(path: string): string {
  try {
    return `${path} ${fileStateOf(lstatSync(pathOnHost(path), { bigint: true }))}`;
  } catch (error) {
    return `${path} ${(error as NodeJS.ErrnoException).code}`;
  }
}

/** The host's mounts in `directories`, but no volumes, which come and go: those are below the directories `shared`. */
function mountLinesIn(directories: readonly string[], shared: readonly string[]): readonly string[] {
  return readFileSync('/proc/1/mountinfo', 'utf8')
    .split('\n')
    .filter((line) => {
      const point = line.split(' ')[4] ?? '';
      if (shared.includes(point)) return true;
      return (
        directories.some((directory) => isAtOrBelow(point, directory)) &&
        !shared.some((path) => point.includes(`${path}/`))
      );
    });
}
