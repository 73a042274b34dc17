import { glusterfsQuestion } from '../filesystems/glusterfs/probe.ts';
import { nfsQuestion } from '../filesystems/nfs/probe.ts';
import type { MountPlan } from '../plan.ts';

/**
 * All that the answer about a server depends on, as one text: two mounts with the same question get the same
 * answer. Undefined where nobody is asked.
 */
export function questionOf({ kind, fstype, source, options }: MountPlan): string | undefined {
  switch (kind) {
    case 'nfs':
      return asText(kind, nfsQuestion(fstype, source, options));
    case 'glusterfs':
      return asText(kind, glusterfsQuestion(source, options));
    case 'generic':
      return undefined;
    default:
      return kind satisfies never;
  }
}

function asText(kind: string, question: object | undefined): string | undefined {
  return question === undefined ? undefined : JSON.stringify([kind, question]);
}
