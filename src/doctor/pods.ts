import { readdirSync } from 'node:fs';

/** Directories in which control groups begin: those of version 2, or of some controllers of version 1. */
const hierarchies = [
  '/sys/fs/cgroup',
  '/sys/fs/cgroup/systemd',
  '/sys/fs/cgroup/memory',
  '/sys/fs/cgroup/pids',
];

/** kubelet's group, its groups by quality of service, and in those one for each Pod. */
const maximumDepth = 4;

/** The Pods of which the node has traces. */
export interface KnownPods {
  /** UIDs; undefined where kubelet keeps no control groups. */
  readonly groups: ReadonlySet<string> | undefined;
  readonly logs: ReadonlySet<string>;
}

export function knownPods(): KnownPods {
  const groups = hierarchies.map(podGroups).find((found) => found !== undefined);
  return {
    groups,
    logs: new Set(namesIn('/var/log/pods').map((name) => name.slice(name.lastIndexOf('_') + 1))),
  };
}

/** @returns undefined where there is no group of kubelet's. */
function podGroups(hierarchy: string): ReadonlySet<string> | undefined {
  const kubepods = namesIn(hierarchy).flatMap((name) => {
    if (/kubepods/.test(name)) return [`${hierarchy}/${name}`];
    // One level below: a kubelet in a group of its own, as in kind.
    return /kubelet/.test(name)
      ? namesIn(`${hierarchy}/${name}`)
          .filter((inner) => /kubepods/.test(inner))
          .map((inner) => `${hierarchy}/${name}/${inner}`)
      : [];
  });
  if (kubepods.length === 0) return undefined;
  return new Set(kubepods.flatMap((directory) => uidsBelow(directory, maximumDepth)));
}

function uidsBelow(directory: string, depth: number): readonly string[] {
  return namesIn(directory).flatMap((name) => {
    const uid = uidOfGroup(name);
    if (uid !== undefined) return [uid];
    return depth > 1 && /kubepods|burstable|besteffort/.test(name)
      ? uidsBelow(`${directory}/${name}`, depth - 1)
      : [];
  });
}

/** The UID in `pod7a5c…` (cgroupfs) or `kubepods-burstable-pod7a5c….slice` (systemd, which has `_` for each `-`). */
export function uidOfGroup(name: string): string | undefined {
  return /(?:^|-)pod([0-9a-f_-]{32,36})(?:\.slice)?$/.exec(name)?.[1]?.replaceAll('_', '-');
}

/** Nothing where there is no such directory. */
export function namesIn(directory: string): readonly string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}
