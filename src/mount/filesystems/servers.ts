import type { MountPlan } from '../plan.ts';
import { glusterfsServers } from './glusterfs/glusterfs.ts';
import { nfsServer } from './nfs/nfs.ts';

/** The servers that a helper asks for this source, its own first; undefined where they can't be told. */
export function serversOf(
  kind: MountPlan['kind'],
  source: string,
  options: string,
): readonly string[] | undefined {
  switch (kind) {
    case 'nfs': {
      const server = nfsServer(source);
      return server === undefined ? undefined : [server];
    }
    case 'glusterfs':
      return glusterfsServers(source, options);
    case 'generic':
      return undefined;
    default:
      return kind satisfies never;
  }
}
