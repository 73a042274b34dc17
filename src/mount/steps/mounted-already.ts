import { type MountEntry, topmostAt } from '../../host/mountinfo.ts';
import { type IpAddress, isSameAddress, parseIpAddress } from '../../ip-address.ts';
import type { MountContext } from '../context.ts';
import type { MountPlan } from '../plan-data.ts';
import { resolveServer } from '../probe/ask-server.ts';
import { type Inquiry, newInquiry } from '../probe/inquiry.ts';
import { runHelper } from './helper.ts';
import type { OpenTarget } from './path-walk.ts';
import { siteFor } from './site.ts';

/**
 * Whether a mount on the target is the one that this call would make, though the kernel calls it otherwise: by another
 * name of its server, or by the directory that a symlink of the server leads to. What was so when it was mounted does
 * not count, but what its server is now.
 * @param target with the mount on it.
 * @param deadline of the whole mount, by the host's clock.
 */
export async function isMountedAlready(
  plan: MountPlan,
  entry: MountEntry,
  target: OpenTarget,
  deadline: number,
  context: MountContext,
): Promise<boolean> {
  const likeness = plan.driver.likeness(plan, entry);
  if (likeness === undefined || likeness.mountedFrom.length === 0) return false;
  const limitMs = Math.min(context.manifest.limits.connectSeconds * 1000, deadline - context.host.now());
  const inquiry = newInquiry(context, limitMs, undefined);
  const asked = await addressesOf(likeness.servers, inquiry);
  const mounted = await addressesOf(likeness.mountedFrom, inquiry);
  if (!asked.some((one) => mounted.some((other) => isSameAddress(one, other)))) return false;
  if (!likeness.isOtherPath) return true;
  const made = await mountForALook(plan, target, deadline, context);
  return made?.device === entry.device && made.root === entry.root && made.source === entry.source;
}

async function addressesOf(servers: readonly string[], inquiry: Inquiry): Promise<readonly IpAddress[]> {
  const found = await Promise.all(servers.map((server) => resolveServer(server, inquiry)));
  return found
    .flatMap((resolved) => (resolved === undefined || 'kind' in resolved ? [] : resolved))
    .flatMap((address) => parseIpAddress(address) ?? []);
}

/** Mounts what is asked for where nobody sees it; it is gone with this call. @returns undefined where that fails. */
async function mountForALook(
  plan: MountPlan,
  target: OpenTarget,
  deadline: number,
  context: MountContext,
): Promise<MountEntry | undefined> {
  const step = plan.steps.find(({ kind }) => kind === 'runHelper');
  if (step?.kind !== 'runHelper') return undefined;
  const site = siteFor(plan, target, context);
  if (site.kind === 'chroot') return undefined;
  const watchdog = { afterMs: deadline, shouldAbort: async () => false };
  const call = { argv: step.argv, secrets: step.secrets ?? {}, site, deadline, watchdog };
  const { guardian } = await runHelper(plan, call, context);
  await guardian?.end();
  const made = topmostAt(context.host.readMountTable(site), site.place);
  return made !== undefined && plan.driver.isAsked(plan, made, context) ? made : undefined;
}
