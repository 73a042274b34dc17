import type { MountContext } from '../context.ts';
import { lastOption, parseOptions } from '../options.ts';
import type { MountPlan } from '../plan.ts';
import type { Refusal } from '../reach/refusal.ts';
import { serversOf } from '../servers.ts';
import { glusterfsLogFile } from './glusterfs-log.ts';
import type { HintFacts } from './hints.ts';

/** What of a failed mount its hint may name. */
export function factsOf(
  { plan, options }: { readonly plan: MountPlan; readonly options: string },
  { refusal, server }: { readonly refusal?: Refusal | undefined; readonly server?: string | undefined },
  { layout, manifest }: MountContext,
): HintFacts {
  return {
    kind: plan.kind,
    source: plan.source,
    target: plan.target,
    server: refusal?.server ?? server ?? serversOf(plan.kind, plan.source, options)?.[0],
    rootfs: layout.rootfs,
    mountSeconds: manifest.limits.mountSeconds,
    logFile: plan.kind === 'glusterfs' ? hostPathOf(glusterfsLogFile(plan, options), manifest) : undefined,
    refusal,
    hasKerberos: lastOption(parseOptions(options), 'sec')?.value?.includes('krb5') === true,
  };
}

/** Where on the host a file of the rootfs is, for what is mounted into it from there. */
function hostPathOf(path: string, { mounts }: MountContext['manifest']): string {
  const mount = mounts.mounter.find(({ rootfs }) => path.startsWith(`${rootfs}/`));
  return mount?.host === undefined ? path : `${mount.host}${path.slice(mount.rootfs.length)}`;
}
