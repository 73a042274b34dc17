import type { MountContext } from '../context.ts';
import { logFileOnHost } from '../glusterfs-log.ts';
import { lastOption, parseOptions } from '../options.ts';
import type { MountPlan } from '../plan.ts';
import type { Refusal } from '../reach/refusal.ts';
import { serversOf } from '../servers.ts';
import type { HintFacts } from './hints.ts';

/** What of a failed mount its hint may name. */
export function factsOf(
  plan: MountPlan,
  { refusal, server }: { readonly refusal?: Refusal | undefined; readonly server?: string | undefined },
  { layout, manifest }: MountContext,
): HintFacts {
  const { options } = plan;
  return {
    kind: plan.kind,
    source: plan.source,
    target: plan.target,
    server: refusal?.server ?? server ?? serversOf(plan.kind, plan.source, options)?.[0],
    rootfs: layout.rootfs,
    mountSeconds: manifest.limits.mountSeconds,
    logFile: plan.kind === 'glusterfs' ? logFileOnHost(plan, manifest) : undefined,
    refusal,
    hasKerberos: lastOption(parseOptions(options), 'sec')?.value?.includes('krb5') === true,
  };
}
