import type { Host } from '../host/host.ts';
import { type MountEntry, readMountinfo } from '../host/mountinfo.ts';
import { processesNamed } from '../host/processes.ts';
import { type RunBounded, runBy } from '../host/run-bounded.ts';
import { needsOf } from '../image/versions/needs.ts';
import type { Manifest } from '../manifest/manifest.ts';
import type { Layout } from '../node/layout.ts';
import { entranceInUse } from '../rootfs/entrance.ts';
import { programName, services } from '../services/services.ts';
import type { DoctorContext } from './context.ts';
import { checkDuplicates } from './duplicates.ts';
import { checkFailures } from './failures.ts';
import { type Advice, findingsOf, type Judged, type Judgement, warning } from './finding.ts';
import { examineInstallation, type Found } from './installation.ts';
import { checkDevices, checkKernel } from './kernel.ts';
import { checkKubelet } from './kubelet.ts';
import { lastLookAt } from './last-look.ts';
import { checkLockServices } from './lock-services.ts';
import { checkMountMax, checkMounts, checkPropagation, checkTargets, judgePreparation } from './mounts.ts';
import { checkNfsClient } from './nfs-client.ts';
import { checkOrphans, checkUsers } from './orphans.ts';
import { checkResolvConf, checkResolver } from './resolver.ts';
import { checkContents, checkGuard, checkPrograms } from './rootfs.ts';
import { checkSecurity } from './security.ts';
import { checkNfsState, checkSpace } from './space.ts';
import { checkTls } from './tls.ts';
import { type Examination, judge } from './verdict.ts';
import { checkVolumes } from './volumes.ts';

/** One group of questions about the node. It asks what can hang by `context.runBounded` alone, and changes nothing. */
interface Check<J extends Judgement> {
  readonly ask: (context: DoctorContext) => readonly J[] | Promise<readonly J[]>;
  /** It counts where the mounter is turned off, too: what is mounted is there still. */
  readonly isWhereOff?: true;
  /** It is of what only `prepare` makes. */
  readonly isOfPreparation?: true;
}

type Checks<J extends Judgement> = Readonly<Record<string, Check<J>>>;

/** All that can find that a mount would fail, in the order in which it is shown: what a mount needs first comes first. */
const deciding: Checks<Judgement> = {
  rootfs: { ask: checkContents },
  helpers: { ask: checkPrograms },
  guard: { ask: checkGuard },
  kernel: { ask: checkKernel },
  devices: { ask: checkDevices, isOfPreparation: true },
  targets: { ask: checkTargets },
  mounts: { ask: checkMounts, isOfPreparation: true },
  propagation: { ask: checkPropagation, isOfPreparation: true },
  kubelet: { ask: checkKubelet },
  'mount-max': { ask: checkMountMax },
  space: { ask: checkSpace },
  'nfs-state': { ask: checkNfsState },
  locks: { ask: checkLockServices },
  resolver: { ask: checkResolvConf, isOfPreparation: true },
};

/** What only doctor asks: it takes long, or is no matter of the verdict. */
const advising: Checks<Advice> = {
  resolver: { ask: checkResolver, isOfPreparation: true },
  duplicates: { ask: checkDuplicates },
  'nfs-client': { ask: checkNfsClient },
  tls: { ask: checkTls },
  security: { ask: checkSecurity, isOfPreparation: true },
  volumes: { ask: checkVolumes, isWhereOff: true },
  orphans: { ask: checkOrphans, isWhereOff: true },
  users: { ask: checkUsers },
  failures: { ask: checkFailures },
};

/** Each question has a limit of its own, at most 3 s; this is for what we did not foresee. */
const allMs = 4000;

/** For a question to the lock services: they answer in milliseconds, and on a node under load in seconds. */
const lockAnswerMs = 2500;

/**
 * Asks everything at once.
 * @param what `verdict`: no more than what decides, as status does; `all` is for doctor.
 * @returns in less than 5 s, whatever hangs.
 */
export async function examine(
  host: Host,
  layout: Layout,
  runBounded: RunBounded,
  what: 'all' | 'verdict',
): Promise<Examination> {
  const { findings, found, offered, isOff } = await examineInstallation(host, layout);
  const judgements = found === undefined ? [] : await examineFound(found, host, layout, runBounded, what);
  return judge([...findings, ...judgements], offered, isOff);
}

async function examineFound(
  found: Found,
  host: Host,
  layout: Layout,
  runBounded: RunBounded,
  what: 'all' | 'verdict',
): Promise<readonly Judged[]> {
  const entries = readMountinfo(host);
  const inUse = entranceInUse(found.root, found.manifest, entries, host);
  const isOff = found.offBy !== undefined;
  const lastLook = await lastLookAt(found, entries, host, what === 'verdict');
  const context = { ...contextOf(host, layout, runBounded, found, entries, inUse), lastLook };
  const askAll = (checks: Checks<Judgement>) =>
    Object.entries(checks).flatMap(([name, { ask, isWhereOff, isOfPreparation }]) => {
      if ((isOff && !isWhereOff) || (inUse === undefined && isOfPreparation)) return [];
      return [withinLimit(name, ask, context).then((judgements) => findingsOf(name, judgements))];
    });
  const asked = [...askAll(deciding), ...(what === 'all' ? askAll(advising) : [])];
  const preparation = isOff ? [] : judgePreparation(found, inUse, host);
  return [...findingsOf('mounts', preparation), ...(await Promise.all(asked)).flat()];
}

function contextOf(
  host: Host,
  layout: Layout,
  runBounded: RunBounded,
  { manifest, root }: Found,
  entries: readonly MountEntry[],
  enter: Manifest['enter'] = manifest.enter,
): Omit<DoctorContext, 'lastLook'> {
  const processes = processesNamed(services.map(({ role }) => programName(role, manifest)));
  const run: Host['run'] = (command) =>
    runBy(runBounded)({ ...command, deadlineMs: Math.min(command.deadlineMs, lockAnswerMs) });
  const asked = { ...host, processes: () => processes, run };
  let needs: ReturnType<typeof needsOf> | undefined;
  const typesWith = (path: string) => {
    needs ??= needsOf(root, manifest);
    return needs(path);
  };
  return { host: asked, layout, manifest: { ...manifest, enter }, root, entries, runBounded, typesWith };
}

/** A check that fails or does not end is a finding, and keeps no other from being shown. */
async function withinLimit(
  name: string,
  ask: Check<Judgement>['ask'],
  context: DoctorContext,
): Promise<readonly Judgement[]> {
  let limit: NodeJS.Timeout | undefined;
  const notEnded = `no answer within ${allMs / 1000} s`;
  const passed = new Promise<readonly Judgement[]>((resolve) => {
    const say = () => resolve([warning(name, notEnded, 'see the load of the node, then run it again')]);
    limit = setTimeout(say, allMs);
  });
  try {
    return await Promise.race([ask(context), passed]);
  } catch (error) {
    const message = `could not be looked at: ${(error as Error).message}`;
    return [warning(name, message, 'see whether the node changed meanwhile, then run it again')];
  } finally {
    clearTimeout(limit);
  }
}
