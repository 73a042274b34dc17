import { mountFlagNames, type Space } from '../host/mount-host.ts';
import { withTimeout } from '../host/with-timeout.ts';
import { stateMeanings } from '../volumes/states.ts';
import { askerOf, isInline } from './asker.ts';
import { CsiError, invalid, unsupported } from './csi-error.ts';
import { callFront, type NodeHost } from './node-host.ts';
import type { Request, Response } from './protocol.ts';
import type { Answers } from './server.ts';
import { Turns } from './turns.ts';
import { type CsiVolume, isReader, volumeOf } from './volume.ts';

/** Node service of the CSI specification. The state is what the kernel has mounted: nothing else is written down. */
export function nodeService(host: NodeHost, nodeId: string): Answers<'Node'> {
  const turns = new Turns();
  const stage = (volume: CsiVolume, path: string, signal: AbortSignal) =>
    callFront(host, ['mount', ...argvOf(volume, path, 'staging')], signal, { [path]: stagingField });
  const inline = (request: Request<'NodePublishVolume'>, volume: CsiVolume, asker: string): Show => {
    if (request.stagingTargetPath !== '')
      throw invalid(stagingField, 'is given, and the volume is inline', 'leave it out');
    const options = isReadOnly(request) ? [...volume.options, 'ro'] : volume.options;
    return async (target, signal) => {
      const asked = argvOf({ ...volume, options }, target, asker);
      const fields = { [target]: targetField };
      await callFront(host, ['volume', 'directory', target, '--', ...asked], signal, fields);
      await callFront(host, ['mount', ...asked], signal, fields);
    };
  };
  const fromStaging = (request: Request<'NodePublishVolume'>, volume: CsiVolume, asker: string): Show => {
    if (request.stagingTargetPath === '')
      throw unsupported(
        stagingField,
        'is missing',
        'stage the volume first; one that is inline in a Pod takes podInfoOnMount: true in the CSIDriver object',
      );
    const staged = absolute(stagingField, request.stagingTargetPath);
    const flags = flagsOf(volume.options, isReadOnly(request));
    return async (target, signal) => {
      const words = [staged, target, ...flags, '--', ...argvOf(volume, staged, asker)];
      const fields = { [target]: targetField, [staged]: stagingField };
      const publish = () => callFront(host, ['volume', 'publish', ...words], signal, fields);
      try {
        await publish();
      } catch (error) {
        const failure = error instanceof CsiError ? error.failure : undefined;
        if (failure?.class === 'mount-point' && failure.subject === staged)
          throw unsupported(stagingField, `${staged}: ${failure.message}`, `${failure.hint}`);
        if (failure?.class !== 'stale') throw error;
        // Its daemon has ended: kubelet, which has staged it, does not stage it again.
        await stage(volume, staged, signal);
        await publish();
      }
    };
  };
  const takeAway =
    (operation: 'unstage' | 'unpublish') => async (volumeId: string, path: string, signal: AbortSignal) => {
      const id = required('volume_id', volumeId);
      const field = operation === 'unstage' ? stagingField : targetField;
      const taken = absolute(field, path);
      const argv = ['volume', operation, taken];
      await turns.take(id, signal, () => callFront(host, argv, signal, { [taken]: field }));
      return {};
    };
  const [unstage, unpublish] = [takeAway('unstage'), takeAway('unpublish')];
  return {
    NodeStageVolume: async (request, signal) => {
      const id = required('volume_id', request.volumeId);
      const path = absolute(stagingField, request.stagingTargetPath);
      const volume = volumeOf(request.volumeContext, request.volumeCapability);
      refuseSecrets(request.secrets);
      await turns.take(id, signal, () => stage(volume, path, signal));
      return {};
    },
    NodeUnstageVolume: ({ volumeId, stagingTargetPath }, signal) =>
      unstage(volumeId, stagingTargetPath, signal),
    NodePublishVolume: async (request, signal) => {
      const id = required('volume_id', request.volumeId);
      const target = absolute(targetField, request.targetPath);
      const volume = volumeOf(request.volumeContext, request.volumeCapability);
      refuseSecrets(request.secrets);
      const asker = askerOf(request.volumeContext, target);
      const show = isInline(request.volumeContext)
        ? inline(request, volume, asker)
        : fromStaging(request, volume, asker);
      await turns.take(id, signal, () => show(target, signal));
      return {};
    },
    NodeUnpublishVolume: ({ volumeId, targetPath }, signal) => unpublish(volumeId, targetPath, signal),
    NodeGetVolumeStats: (request) => stats(request, host),
    // STAGE_UNSTAGE_VOLUME, GET_VOLUME_STATS, VOLUME_CONDITION, SINGLE_NODE_MULTI_WRITER
    NodeGetCapabilities: () => ({ capabilities: [1, 2, 4, 5].map((type) => ({ rpc: { type } })) }),
    NodeGetInfo: () => ({ nodeId }),
  };
}

const [stagingField, targetField] = ['staging_target_path', 'target_path'] as const;

/** Has a Pod see the volume. */
type Show = (target: string, signal: AbortSignal) => Promise<void>;

async function stats(
  request: Request<'NodeGetVolumeStats'>,
  host: NodeHost,
): Promise<Response<'NodeGetVolumeStats'>> {
  required('volume_id', request.volumeId);
  const path = required('volume_path', request.volumePath);
  // The specification has NOT_FOUND alone for a path without the volume; csi-sanity asks with a relative one.
  if (!path.startsWith('/')) throw notMounted(path);
  const space = await spaceOf(absolute('volume_path', path), host);
  if (typeof space === 'string') {
    const message = conditions[space] ?? `it answers with the error ${space}`;
    return { volumeCondition: { abnormal: true, message } };
  }
  const { bytes, inodes } = space;
  return {
    usage: [
      { unit: 1, total: bytes.total, used: bytes.total - bytes.free, available: bytes.available },
      { unit: 2, total: inodes.total, used: inodes.total - inodes.free, available: inodes.free },
    ],
    volumeCondition: { abnormal: false, message: stateMeanings.alive },
  };
}

/**
 * By a process that may never come back.
 * @returns `silent`, or an errno's name, for a volume that does not answer with it.
 */
async function spaceOf(path: string, host: NodeHost): Promise<Space | string> {
  const over = new AbortController();
  try {
    const answer = await withTimeout(callFront(host, ['volume', 'stats', path], over.signal), statsMs);
    return answer === undefined ? 'silent' : JSON.parse(answer);
  } catch (error) {
    const failure = error instanceof CsiError ? error.failure : undefined;
    if (failure?.class !== 'mount-point') throw error;
    throw notMounted(path);
  } finally {
    over.abort();
  }
}

function notMounted(path: string): CsiError {
  return new CsiError('NOT_FOUND', `volume_path: no volume is mounted on ${path}; publish it first`);
}

/** kubelet gives the whole call 2 s where many volumes are asked. */
const statsMs = 1000;

const conditions: Readonly<Record<string, string | undefined>> = {
  silent: stateMeanings.silent,
  ESTALE: stateMeanings.stale,
  ENOTCONN: stateMeanings.dead,
  ECONNABORTED: stateMeanings.dead,
};

function required(field: string, value: string): string {
  if (value === '') throw invalid(field, 'is missing', 'every call has to name it');
  return value;
}

function absolute(field: string, value: string): string {
  required(field, value);
  if (!value.startsWith('/') || /(^|\/)\.{1,2}(\/|$)/.test(value))
    throw invalid(
      field,
      `${value} is no absolute path without "." and ".."`,
      'give a directory below the kubelet directory',
    );
  return value.replace(/\/{2,}/g, '/').replace(/\/$/, '');
}

/** They would be of no use: neither type takes one. */
function refuseSecrets(secrets: Readonly<Record<string, string>>): void {
  if (Object.keys(secrets).length > 0)
    throw invalid(
      'secrets',
      'no type of volume takes any',
      'leave nodeStageSecretRef and nodePublishSecretRef out',
    );
}

function isReadOnly({ readonly, volumeCapability }: Request<'NodePublishVolume'>): boolean {
  return readonly || isReader(volumeCapability);
}

function argvOf({ fstype, source, options }: CsiVolume, path: string, asker: string): readonly string[] {
  const words = options.length === 0 ? [] : ['-o', options.join(',')];
  return ['--json', '--asker', asker, '-t', fstype, ...words, source, path];
}

/** Nothing on a volume is trusted, unless it is asked for; of opposites the last counts, as for mount(8). */
function flagsOf(options: readonly string[], isReading: boolean): readonly string[] {
  const asked = options.flatMap((option) => option.split(','));
  const isLast = (option: string, opposite: string) =>
    asked.lastIndexOf(option) > asked.lastIndexOf(opposite);
  const isSet: Readonly<Record<(typeof mountFlagNames)[number], boolean>> = {
    ro: isReading || isLast('ro', 'rw'),
    nosuid: !isLast('suid', 'nosuid'),
    nodev: !isLast('dev', 'nodev'),
    noexec: isLast('noexec', 'exec'),
  };
  return mountFlagNames.filter((flag) => isSet[flag]);
}
