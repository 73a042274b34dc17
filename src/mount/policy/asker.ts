import type { AllowedSource } from '../../manifest/policy.ts';
import { usageError } from '../arguments/getopt.ts';

/** For whom a mount is: what `policy.sources` asks besides where it leads. */
export interface Asker {
  /**
   * - `unknown`: nobody has said. So are calls by kubelet's flag, by mount(8), and by hand.
   * - `staging`: for no Pod yet. A CSI driver mounts it once, and asks anew for each Pod that gets it.
   * - `pod`: a Pod, by a claim. `inline`: a Pod whose author has named server and options.
   */
  readonly kind: 'unknown' | 'staging' | 'pod' | 'inline';
  /** The Pod's; left out where nobody who knows has said it. */
  readonly namespace?: string;
}

export const unknownAsker: Asker = { kind: 'unknown' };

/** A name of RFC 1123, as namespaces have. */
const word = /^(staging|pod|inline)(?::([a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?))?$/;

/** @param text of `--asker`. @throws MounterError (usage) */
export function parseAsker(text: string): Asker {
  const [, kind, namespace] = word.exec(text) ?? [];
  if (kind === undefined || (kind === 'staging' && namespace !== undefined))
    throw usageError(
      '--asker',
      'is nobody that a mount can be for',
      'write staging, pod:NAMESPACE or inline:NAMESPACE',
    );
  return { kind: kind as Asker['kind'], ...(namespace === undefined ? {} : { namespace }) };
}

/** Stands in `namespaces` of a rule for an asker that nobody has named. */
const unknownNamespace = '@unknown';

/** Whether the rule says anything to this asker. */
export function isFor({ namespaces, inline }: AllowedSource, { kind, namespace }: Asker): boolean {
  if (kind === 'staging') return true;
  if (kind === 'inline' && inline !== true) return false;
  if (namespaces === undefined) return true;
  return namespaces.some((pattern) =>
    namespace === undefined
      ? pattern === unknownNamespace
      : pattern === namespace || (pattern.endsWith('*') && namespace.startsWith(pattern.slice(0, -1))),
  );
}

/** Why a source that others may mount is refused, and what to do. Other namespaces are not named: they are no Pod's business. */
export function refusalOf(
  { kind, namespace }: Asker,
  isForClaims: boolean,
): readonly [message: string, hint: string] {
  if (kind === 'inline' && isForClaims)
    return [
      `the volume is inline in a Pod${namespace === undefined ? '' : ` of the namespace ${namespace}`}, and no rule of this node allows that`,
      'use a PersistentVolume and a claim; whoever runs the node can allow it by a rule, as mounter manifest csi --examples shows',
    ];
  if (namespace !== undefined)
    return [
      `Pods of the namespace ${namespace} may not have it`,
      'whoever runs the node can add the namespace to the rule that allows it',
    ];
  return kind === 'unknown'
    ? [
        'it is for Pods of some namespaces alone, and who asks is not known',
        `mount it by CSI, which knows the namespace; whoever runs the node can add "${unknownNamespace}" to namespaces of the rule`,
      ]
    : [
        'it is for Pods of some namespaces alone, and kubelet has not said which one the Pod is in',
        'set podInfoOnMount: true in the CSIDriver object, as mounter manifest csi prints it',
      ];
}
