/** Calls of mounter as a kubelet makes them, and how they ended. */

export interface StormCall {
  readonly source: string;
  readonly target: string;
}

export interface Ended {
  readonly call: StormCall;
  readonly status: number;
  /** From its start to its end. */
  readonly wallMs: number;
  /** Its stdout and stderr. */
  readonly output: string;
}

/** Nobody has the address of the one; the other is silent: packets to it vanish. */
export const servers = { healthy: '10.0.0.5', dead: '192.0.2.99' } as const;

export const kubeletDirectory = '/var/lib/kubelet';

/** What the pod with that number mounts. */
export type SourceOf = (server: keyof typeof servers, index: number) => string;

/** For a helper that asks no server. */
export const standInSource: SourceOf = (server, index) => `${servers[server]}:/exports/volume-${index}`;

/** A call for each of `count` pods. */
export function callsTo(
  server: keyof typeof servers,
  count: number,
  sourceOf = standInSource,
): readonly StormCall[] {
  return Array.from({ length: count }, (_, index) => ({
    source: sourceOf(server, index),
    target: `${kubeletDirectory}/pods/${server}-${index}-7c1e-4f0a-9d3b/volumes/kubernetes.io~nfs/volume`,
  }));
}

/** One of each in turn. */
export function mixed(...lists: readonly (readonly StormCall[])[]): readonly StormCall[] {
  const longest = Math.max(...lists.map((list) => list.length));
  return Array.from({ length: longest }, (_, index) => lists.flatMap((list) => list[index] ?? [])).flat();
}
