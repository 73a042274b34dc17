import type { Host } from '../host/host.ts';
import { type MountEntry, readMountinfo } from '../host/mountinfo.ts';
import { processesNamed } from '../host/processes.ts';
import { type RunBounded, runBy } from '../host/run-bounded.ts';
import type { Manifest } from '../manifest/manifest.ts';
import type { Layout } from '../node/layout.ts';
import { entranceInUse } from '../rootfs/entrance.ts';
import type { DoctorContext } from './context.ts';
import { checkDuplicates } from './duplicates.ts';
import { checkFailures } from './failures.ts';
import { type Finding, findingsOf, type Judgement, warning } from './finding.ts';
import { examineInstallation, type Found } from './installation.ts';
import { checkDevices, checkKernel } from './kernel.ts';
import { checkKubelet } from './kubelet.ts';
import { checkLockServices } from './lock-services.ts';
import { checkMountMax, checkMounts, checkPropagation, judgePreparation } from './mounts.ts';
import { checkNfsClient } from './nfs-client.ts';
import { checkOrphans } from './orphans.ts';
import { checkResolver } from './resolver.ts';
import { checkContents, checkPrograms } from './rootfs.ts';
import { checkNfsState, checkSpace } from './space.ts';
import { checkVolumes } from './volumes.ts';

/** One group of questions about the node. It asks what can hang by `context.runBounded` alone, and changes nothing. */
type Check = (context: DoctorContext) => readonly Judgement[] | Promise<readonly Judgement[]>;

/** The checks that count where the mounter is turned off: those of what is mounted. */
const whereOff = ['volumes', 'orphans'];
/** The checks of what only `prepare` makes. */
const ofPreparation = ['devices', 'mounts', 'propagation', 'resolver'];

/** In the order in which they are shown: what a mount needs first comes first. */
const checks: Readonly<Record<string, Check>> = {
  rootfs: checkContents,
  helpers: checkPrograms,
  kernel: checkKernel,
  devices: checkDevices,
  mounts: checkMounts,
  propagation: checkPropagation,
  kubelet: checkKubelet,
  duplicates: checkDuplicates,
  'mount-max': checkMountMax,
  space: checkSpace,
  'nfs-state': checkNfsState,
  locks: checkLockServices,
  resolver: checkResolver,
  'nfs-client': checkNfsClient,
  volumes: checkVolumes,
  orphans: checkOrphans,
  failures: checkFailures,
};

/** Each question has a limit of its own, at most 3 s; this is for what we did not foresee. */
const allMs = 4000;

/** For a question to the lock services: they answer in milliseconds, and on a node under load in seconds. */
const lockAnswerMs = 2500;

/** Asks everything at once. @returns in less than 5 s, whatever hangs. */
export async function examine(
  host: Host,
  layout: Layout,
  runBounded: RunBounded,
): Promise<readonly Finding[]> {
  const { findings, found } = await examineInstallation(host, layout);
  if (found === undefined) return findings;
  const entries = readMountinfo(host);
  const inUse = entranceInUse(found.root, found.manifest, entries, host);
  const context = contextOf(host, layout, runBounded, found, entries, inUse);
  const groups = Object.entries(checks).flatMap(([name, check]) => {
    if (found.offBy !== undefined && !whereOff.includes(name)) return [];
    if (inUse === undefined && ofPreparation.includes(name)) return [];
    return [withinLimit(name, check, context).then((found) => findingsOf(name, found))];
  });
  const preparation = found.offBy === undefined ? judgePreparation(found, inUse, host) : [];
  return [...findings, ...findingsOf('mounts', preparation), ...(await Promise.all(groups)).flat()];
}

function contextOf(
  host: Host,
  layout: Layout,
  runBounded: RunBounded,
  { manifest, root }: Found,
  entries: readonly MountEntry[],
  enter: Manifest['enter'] = manifest.enter,
): DoctorContext {
  const { rpcbind, statd } = manifest.daemons;
  const names = [rpcbind.path, statd.path].map((path) => path.slice(path.lastIndexOf('/') + 1));
  const processes = processesNamed(names);
  const run: Host['run'] = (command) =>
    runBy(runBounded)({ ...command, deadlineMs: Math.min(command.deadlineMs, lockAnswerMs) });
  const asked = { ...host, processes: () => processes, run };
  return { host: asked, layout, manifest: { ...manifest, enter }, root, entries, runBounded };
}

/** A check that fails or does not end is a finding, and keeps no other from being shown. */
async function withinLimit(
  name: string,
  check: Check,
  context: DoctorContext,
): Promise<readonly Judgement[]> {
  let limit: NodeJS.Timeout | undefined;
  const notEnded = `no answer within ${allMs / 1000} s`;
  const passed = new Promise<readonly Judgement[]>((resolve) => {
    const say = () => resolve([warning(name, notEnded, 'see the load of the node, then run it again')]);
    limit = setTimeout(say, allMs);
  });
  try {
    return await Promise.race([check(context), passed]);
  } catch (error) {
    const message = `could not be looked at: ${(error as Error).message}`;
    return [warning(name, message, 'see whether the node changed meanwhile, then run it again')];
  } finally {
    clearTimeout(limit);
  }
}
