import { existsSync, lstatSync, mkdirSync, realpathSync } from 'node:fs';
import { MounterError } from '../errors.ts';
import { exitCode } from '../exit-codes.ts';
import { type Host, isSameFile } from '../host/host.ts';
import { readMountinfo } from '../host/mountinfo.ts';
import { recordKubeletRoot } from '../rootfs/kubelet-roots.ts';
import { applyActions, type MountAction } from '../rootfs/mount-actions.ts';
import type { ObservedMount } from '../rootfs/mounts.ts';
import { processesIn } from '../rootfs/root-processes.ts';
import { makeRunDirectory } from '../rootfs/run-directory.ts';
import { recordSelfBind } from '../rootfs/self-binds.ts';
import { readKubeletRoots } from '../rootfs/way-out.ts';
import { makeLink, makeTarget } from './mount-target.ts';
import { kubeletMount, type Offer } from './offer.ts';
import { planKubeletRoot } from './plan.ts';
import { offeredBy, type WantedMount, type WantedMounts, wantedMounts } from './wanted-mounts.ts';

/** Three are enough: what is doubled goes, the rest is mounted, and seen to be. Two more for somebody who meddles. */
const maximumRounds = 5;

/**
 * Mounts in the root what the kubelet needs of the host; what is there already stays.
 * @returns what was done, a line each.
 * @throws MounterError that names the path. What was done until then stays and is found by the next run.
 */
export async function layKubeletRoot(offer: Offer, host: Host): Promise<readonly string[]> {
  const umask = process.umask(0o022);
  try {
    return await lay(offer, host);
  } finally {
    // The kubelet's is the caller's.
    process.umask(umask);
  }
}

async function lay(offer: Offer, host: Host): Promise<readonly string[]> {
  makeRunDirectory();
  makeKubeletDirectory(offer);
  const wanted = wantedMounts(offer);
  const done: string[] = [];
  for (const { target, isDirectory } of wanted.mounts)
    if (makeTarget(offer.root, target, isDirectory)) done.push(`made ${offer.root}${target.path}`);
  record(offer, wanted, host);
  done.push(...(await settle(offer, wanted, host)));
  // Only now: where a file was mounted before, that mount is gone.
  for (const { path, to } of wanted.links)
    if (makeLink(offer.root, path, to, offeredBy(wanted))) done.push(`made ${offer.root}${path}, to ${to}`);
  return done;
}

/** Mounts until nothing is left to do. */
async function settle(offer: Offer, wanted: WantedMounts, host: Host): Promise<readonly string[]> {
  const done: string[] = [];
  for (let round = 1; round <= maximumRounds; round += 1) {
    const actions = planLaying(offer, wanted, host);
    if (actions.length === 0) return done;
    refuseTakingAway(offer, actions, host);
    if (actions.some((action) => isSelfBindOf(action, kubeletSource(wanted))))
      recordSelfBind(kubeletSource(wanted));
    done.push(...(await applyActions(actions)));
  }
  throw unsettled(offer, planLaying(offer, wanted, host));
}

/** What would be done now; with a `wanted` of the same offer. */
export function planLaying(offer: Offer, wanted: WantedMounts, host: Host): readonly MountAction[] {
  const { root, layout } = offer;
  const shared = { host: kubeletSource(wanted), rootfs: kubeletMount(offer).rootfs };
  const observed = wanted.mounts.map((mount) => observe(mount, root, host));
  const earlier = readKubeletRoots(host).find((other) => other.root === root)?.targets ?? [];
  const versions = existsSync(layout.versions) ? realpathSync(layout.versions) : layout.versions;
  return planKubeletRoot({ root, shared, observed, earlier, versions }, readMountinfo(host));
}

function observe({ mount, source, target }: WantedMount, root: string, host: Host): ObservedMount {
  const path = root + target.path;
  // Where the image's own symlink still leads does not matter: it is to give way.
  const isLink = lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() === true;
  return { mount, source, target: path, isSame: !isLink && isSameFile(host.stat(source), host.stat(path)) };
}

function kubeletSource({ mounts }: WantedMounts): string {
  return mounts[0]?.source ?? '';
}

/** The manifest's, on a node where no kubelet has run yet; one that somebody has named has to be there. */
function makeKubeletDirectory(offer: Offer): void {
  const { host, create } = kubeletMount(offer);
  if (create !== undefined) mkdirSync(host, { recursive: true, mode: Number.parseInt(create, 8) });
}

/** Before anything is mounted: a teardown has to find what a killed run has left. */
function record({ root }: Offer, wanted: WantedMounts, host: Host): void {
  const earlier = readKubeletRoots(host).find((other) => other.root === root)?.targets ?? [];
  const targets = [...new Set([...earlier, ...wanted.mounts.map(({ target }) => root + target.path)])];
  recordKubeletRoot(host, { root, kubeletDirectory: kubeletSource(wanted), targets });
}

/** @throws MounterError (system) when a kubelet that runs would lose its directories. */
function refuseTakingAway({ root }: Offer, actions: readonly MountAction[], host: Host): void {
  const detached = actions.find((action) => action.kind === 'detach' && isBelow(action.to, root));
  if (detached === undefined || lstatSync(detached.to, { throwIfNoEntry: false })?.isFile() === true) return;
  const [running] = processesIn(host, root, host.processes());
  if (running === undefined) return;
  throw new MounterError(
    `is not as it should be, and process ${running.pid} (${running.name}) runs in ${root}`,
    {
      subject: detached.to,
      status: exitCode.system,
      hint: 'end it first, then try again: its mounts would be taken away',
    },
  );
}

function isBelow(path: string, root: string): boolean {
  return path === root || path.startsWith(`${root}/`);
}

function isSelfBindOf(action: MountAction, directory: string): boolean {
  return action.kind === 'bind' && action.from === directory && action.to === directory;
}

function unsettled({ root }: Offer, [action]: readonly MountAction[]): MounterError {
  return new MounterError('its mounts do not become as they should be', {
    subject: action === undefined ? root : action.to,
    status: exitCode.system,
    hint: 'see whether something else mounts there at the same time, and whether / is shared (mount --make-rshared /)',
  });
}
