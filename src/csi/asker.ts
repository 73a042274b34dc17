/**
 * Whom a volume is published for, by what kubelet adds to its attributes (`podInfoOnMount` of the CSIDriver object).
 * Where it adds nothing, a Pod's author can write the same names into an inline volume, and it is they who speak.
 */

type Context = Readonly<Record<string, string>>;

const prefix = 'csi.storage.k8s.io';

/** Whether it is in the Pod itself, as kubelet says it, or its author: whoever lies has it looked at more closely. */
export function isInline(context: Context): boolean {
  return context[`${prefix}/ephemeral`] === 'true';
}

/**
 * @param target of the volume in the Pod, `…/pods/UID/volumes/…`: nobody knows that UID before the Pod is made, and
 *   then its volumes do not change any more. So whoever names it is kubelet.
 * @returns the word of `mounter mount --asker`, without a namespace where kubelet has told none.
 */
export function askerOf(context: Context, target: string): string {
  const kind = isInline(context) ? 'inline' : 'pod';
  const [, uid] = /\/pods\/([^/]+)\/volumes\//.exec(target) ?? [];
  const namespace = context[`${prefix}/pod.namespace`];
  const isKubelets = uid !== undefined && uid === context[`${prefix}/pod.uid`];
  return isKubelets && namespace ? `${kind}:${namespace}` : kind;
}
