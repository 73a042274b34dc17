import { enterNamespace } from '../host/mount-namespace.ts';
import { ownArguments, replaceProcess } from '../host/replace-process.ts';

/**
 * Runs this very command in the host's mount namespace, in this process's place: setns(2) takes one thread along, and
 * the runtime has several.
 */
export function leaveKubeletChroot(namespace: string): Promise<never> {
  enterNamespace(namespace);
  return replaceProcess(process.execPath, ownArguments());
}
