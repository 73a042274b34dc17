import { MounterError } from '../../errors.ts';
import { exitCode } from '../../exit-codes.ts';
import { type ApartSite, type ChrootSite, type MountHost, mountFlagNames } from '../../host/mount-host.ts';
import { type MountEntry, topmostAt } from '../../host/mountinfo.ts';
import { type IpAddress, isSameAddress, parseIpAddress } from '../../ip-address.ts';
import { shellWord } from '../../shell-word.ts';
import { lastOption, parseOptions } from '../arguments/options.ts';
import type { MountContext } from '../context.ts';
import { helperOptions } from '../filesystems/mount-options.ts';
import type { MountPlan } from '../plan-data.ts';
import { resolveServer } from '../probe/ask-server.ts';
import { type Inquiry, newInquiry } from '../probe/inquiry.ts';
import { type HelperCall, runHelper } from './helper.ts';
import type { OpenTarget } from './path-walk.ts';
import { type MountSite, siteFor } from './site.ts';

/** A question to a filesystem that is alive takes milliseconds; to one whose server is far away, some more. */
const answerMs = 2000;

/**
 * Looks at what is mounted on the target.
 * @param target with the mount on it.
 * @param deadline of the whole mount, by the host's clock.
 * @returns 'asked': the source, with all that protects it, alive, or going on when its silent server does; 'dead': the
 *   source, and nothing can be done with it any more, for its daemon is gone.
 * @throws MounterError (mount failure) where it is something else, lacks what was asked for, or is stale.
 */
export async function lookAtMount(
  plan: MountPlan,
  entry: MountEntry | undefined,
  target: OpenTarget,
  deadline: number,
  context: MountContext,
): Promise<'asked' | 'dead'> {
  if (entry === undefined || !(await isMountedAlready(plan, entry, target, deadline, context)))
    throw taken(plan, entry, `not ${plan.source}`);
  const liveness = await context.host.isAlive(target.file, answerMs);
  // Pods may still have it.
  if (liveness === 'stale') throw stale(plan, plan.source);
  if (liveness === 'dead') return 'dead';
  const lack = await lackOf(plan, entry);
  if (lack !== undefined) throw taken(plan, entry, `without ${lack}`);
  return 'asked';
}

/**
 * What protects a mount, was asked for, and is not in force there, as an option. One more call with other options does
 * not change what is mounted.
 */
async function lackOf(plan: MountPlan, entry: MountEntry): Promise<string | undefined> {
  // Without nosuid and suid, and their like, that take each other back.
  const asked = parseOptions(helperOptions(plan.options, true));
  const isInForce = (flag: string) => entry.mountOptions.includes(flag) || entry.superOptions.includes(flag);
  const isAsked = (flag: string) => lastOption(asked, flag, flag === 'ro' ? 'rw' : flag)?.text === flag;
  const flag = mountFlagNames.find((one) => isAsked(one) && !isInForce(one));
  return flag ?? plan.driver.lackOf(plan, entry);
}

/** Whoever mounted it may use it: it is not ours to take away. */
function taken(plan: MountPlan, entry: MountEntry | undefined, how: string): MounterError {
  const what = entry === undefined ? 'something else' : `${entry.source} (${entry.fstype})`;
  return new MounterError(`${what} is mounted there already, ${how}`, {
    subject: plan.target,
    status: exitCode.mountFailure,
    errorClass: 'busy',
    hint: `run umount ${shellWord(plan.target)} first, or choose another target`,
  });
}

export function stale({ target }: MountPlan, what: string): MounterError {
  return new MounterError(
    `${what} is mounted there already, and stale: its server does not know it any more`,
    {
      subject: target,
      status: exitCode.mountFailure,
      errorClass: 'stale',
      hint: `run umount -l ${shellWord(target)}, and mount again; exportfs -r on the server where the export was made anew`,
    },
  );
}

/**
 * Whether a mount on the target is the one that this call would make, also where the kernel calls it otherwise: by another
 * name of its server, or by the directory that a symlink of the server leads to. What was so when it was mounted does
 * not count, but what its server is now.
 */
export async function isMountedAlready(
  plan: MountPlan,
  entry: MountEntry,
  target: OpenTarget,
  deadline: number,
  context: MountContext,
): Promise<boolean> {
  if (plan.driver.isSameSource(plan, entry)) return true;
  const likeness = plan.driver.likeness(plan, entry);
  if (likeness === undefined || likeness.mountedFrom.length === 0) return false;
  const limitMs = Math.min(context.manifest.limits.connectSeconds * 1000, deadline - context.host.now());
  const inquiry = newInquiry(context, limitMs, undefined);
  const asked = await addressesOf(likeness.servers, inquiry);
  const mounted = await addressesOf(likeness.mountedFrom, inquiry);
  if (!asked.some((one) => mounted.some((other) => isSameAddress(one, other)))) return false;
  if (!likeness.isOtherPath) return true;
  // A server that is silent shows nothing for as long as the call may last.
  if ((await context.host.isAlive(target.file, answerMs)) === 'silent') return false;
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
  const step = plan.steps.find((one) => one.kind === 'runHelper');
  if (step === undefined) return undefined;
  const { argv, secrets = {} } = step;
  const site = siteFor(plan, target, context);
  const made =
    site.kind === 'chroot'
      ? await mountInCopy(argv, site, deadline, context.host)
      : await mountApart(plan, { argv, secrets, site, deadline, watchdog: undefined }, context);
  return made !== undefined && plan.driver.isAsked(plan, made, context) ? made : undefined;
}

async function mountApart(
  plan: MountPlan,
  call: HelperCall & { readonly site: ApartSite & MountSite },
  context: MountContext,
): Promise<MountEntry | undefined> {
  const { guardian } = await runHelper(plan, call, context);
  await guardian?.end();
  return topmostAt(context.host.readMountTable(call.site), call.site.place);
}

/** In a copy of the host's mount namespace, of which nothing comes back, in the place of what is mounted. */
const inCopy =
  'directory=$1; umount -l "$1$2" && shift 2 && chroot "$directory" "$@" && cat /proc/self/mountinfo';

async function mountInCopy(
  argv: readonly string[],
  { directory, place }: ChrootSite,
  deadline: number,
  host: MountHost,
): Promise<MountEntry | undefined> {
  const { output } = await host.run({
    argv: [
      ...[host.findProgram('unshare'), '--mount', '--propagation', 'private'],
      ...['sh', '-c', inCopy, 'sh', directory, place, ...argv],
    ],
    deadlineMs: Math.max(0, deadline - host.now()),
    terminateMs: 0,
  });
  return topmostAt(output, `${directory}${place}`);
}
