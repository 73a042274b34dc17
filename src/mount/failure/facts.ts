import { lastOption, parseOptions } from '../arguments/options.ts';
import type { MountContext } from '../context.ts';
import { logFileOnHost } from '../filesystems/glusterfs/log.ts';
import { serversOf } from '../filesystems/servers.ts';
import type { MountPlan } from '../plan.ts';
import type { ProbeFailure } from '../probe/probe-failure.ts';
import type { HintFacts } from './hints.ts';

/** What of a failed mount its hint may name. */
export function factsOf(
  plan: MountPlan,
  {
    probeFailure,
    server,
  }: { readonly probeFailure?: ProbeFailure | undefined; readonly server?: string | undefined },
  { layout, manifest }: MountContext,
): HintFacts {
  const { options } = plan;
  return {
    kind: plan.kind,
    source: plan.source,
    target: plan.target,
    server: probeFailure?.server ?? server ?? serversOf(plan.kind, plan.source, options)?.[0],
    rootfs: layout.rootfs,
    mountSeconds: manifest.limits.mountSeconds,
    logFile: plan.kind === 'glusterfs' ? logFileOnHost(plan, manifest) : undefined,
    probeFailure,
    hasKerberos: lastOption(parseOptions(options), 'sec')?.value?.includes('krb5') === true,
  };
}
