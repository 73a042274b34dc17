import type { MountEntry } from '../host/mountinfo.ts';
import { lockingTypes, offeredTraits } from '../mount/filesystems/all.ts';
import type { ServiceDaemon } from '../services/find-daemons.ts';
import { lockServices } from '../services/services.ts';
import { type LockServicesState, observeLockServices } from '../services/state.ts';
import type { DoctorContext } from './context.ts';
import { hasFailedLately } from './failures.ts';
import { failing, type Judgement, ok, warning } from './finding.ts';

/** rpcbind and rpc.statd of this node, which NFSv3 mounts with locks need. */
export async function checkLockServices(context: DoctorContext): Promise<readonly Judgement[]> {
  const { manifest, entries } = context;
  const concerned = offeredTraits(manifest).filter(({ hasLockServices }) => hasLockServices);
  if (concerned.length === 0) return [];
  const types = lockingTypes(manifest);
  const state = await observeLockServices(context);
  const needsLocks = (entry: MountEntry) => concerned.some((traits) => traits.needsLockServices(entry));
  // Once for each time it is mounted.
  const lockingVolumes = entries.filter(needsLocks).length;
  const judged: readonly Judgement[] = [
    judgeLockServices(state, lockingVolumes, hasFailedLately(context, 'lock-service')),
    ...state.surplusRpcbinds.map((daemon) =>
      failing(
        'rpcbind',
        `a second one runs (process ${daemon.pid}, ${ownerOf(daemon)}): locks and umount hang`,
        `run kill ${daemon.pid}, or end the other one`,
      ),
    ),
    ...judgePort(state),
  ];
  return judged.map((judgement) => ({ ...judgement, types }));
}

const startStatd = 'mounter exec -- /usr/sbin/start-statd';

/**
 * @param lockingVolumes how many mounts need them now.
 * @param hasFailed the last mount that needed them could not start them.
 */
export function judgeLockServices(
  state: LockServicesState,
  lockingVolumes: number,
  hasFailed: boolean,
): Judgement {
  const { rpcbind, statd, portmapperAnswers, statdAnswers } = state;
  const who = describe(state);
  if (statdAnswers) return ok('rpc.statd', `registered, and answers: ${who}`);
  if (rpcbind?.owner === 'host' && !portmapperAnswers)
    return failing(
      'rpcbind',
      `runs (process ${rpcbind.pid}, the host's own) and does not answer: an NFSv3 mount with locks fails`,
      `run systemctl restart rpcbind; without systemd: kill -KILL ${rpcbind.pid}, and the next mount starts one`,
    );
  if (rpcbind === null && statd === null && lockingVolumes === 0 && !portmapperAnswers)
    return ok(
      'rpcbind',
      `does not run, and neither does rpc.statd: the first NFSv3 mount starts them${hasFailed ? `; the last one could not: ${startStatd} does, or says why not` : ''}`,
    );
  const volumes = lockingVolumes === 0 ? '' : `; locks on mounted NFSv3 volumes hang or fail until then`;
  return warning(
    portmapperAnswers ? 'rpc.statd' : 'rpcbind',
    `${faultOf(state)} (${who})${volumes}`,
    `run ${startStatd}, which mends it, as the next NFSv3 mount does, or says why not`,
  );
}

function faultOf({ rpcbind, statd, portmapperAnswers, statdRegistered }: LockServicesState): string {
  if (!portmapperAnswers) return rpcbind === null ? 'has ended' : 'does not answer';
  if (statd === null) return 'does not run';
  return statdRegistered ? 'does not answer' : 'is not registered with rpcbind';
}

function describe(state: LockServicesState): string {
  const daemons = lockServices.map(({ role, title }) => {
    const daemon = state[role];
    return daemon === null ? `no ${title}` : `${title} is process ${daemon.pid}, ${ownerOf(daemon)}`;
  });
  return daemons.join('; ');
}

function ownerOf({ owner }: ServiceDaemon): string {
  return owner === 'host' ? "the host's" : 'of the rootfs';
}

/** rpcbind on every interface answers strangers with more than they send: an amplifier of denial-of-service attacks. */
export function judgePort({ listening }: Pick<LockServicesState, 'listening'>): readonly Judgement[] {
  switch (listening) {
    case 'nowhere':
      return [];
    case 'loopback':
      return [ok('port 111', 'is open to this node alone')];
    case 'any':
      return [
        warning(
          'port 111',
          'is open to the world: rpcbind listens on every address of this node',
          'close it in the firewall; policy.portmapper "loopback" in node-settings.json closes UDP, and keeps servers from calling back',
        ),
      ];
  }
}
