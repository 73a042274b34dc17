import { mountFlagNames, type Space } from '../host/mount-host.ts';
import { withTimeout } from '../host/with-timeout.ts';
import { stateMeanings } from '../volumes/states.ts';
import { CsiError, invalid } from './csi-error.ts';
import { callFront, type NodeHost } from './node-host.ts';
import type { Request, Response } from './protocol.ts';
import type { Answers } from './server.ts';
import { Turns } from './turns.ts';
import { type CsiVolume, isReader, mountOf, volumeOf } from './volume.ts';

/** Node service of the CSI specification. The state is what the kernel has mounted: nothing else is written down. */
export function nodeService(host: NodeHost, nodeId: string): Answers<'Node'> {
  const turns = new Turns();
  const mount = ({ fstype, source, options }: CsiVolume, path: string, signal: AbortSignal) => {
    const words = options.length === 0 ? [] : ['-o', options.join(',')];
    return callFront(host, ['mount', '--json', '-t', fstype, ...words, source, path], signal);
  };
  const takeAway =
    (operation: 'unstage' | 'unpublish') => async (volumeId: string, path: string, signal: AbortSignal) => {
      const id = required('volume_id', volumeId);
      const field = operation === 'unstage' ? 'staging_target_path' : 'target_path';
      const argv = ['volume', operation, absolute(field, path)];
      await turns.take(id, signal, () => callFront(host, argv, signal));
      return {};
    };
  const [unstage, unpublish] = [takeAway('unstage'), takeAway('unpublish')];
  return {
    NodeStageVolume: async (request, signal) => {
      const id = required('volume_id', request.volumeId);
      const path = absolute('staging_target_path', request.stagingTargetPath);
      const volume = volumeOf(request.volumeContext, request.volumeCapability);
      refuseSecrets(request.secrets);
      await turns.take(id, signal, () => mount(volume, path, signal));
      return {};
    },
    NodeUnstageVolume: ({ volumeId, stagingTargetPath }, signal) =>
      unstage(volumeId, stagingTargetPath, signal),
    NodePublishVolume: async (request, signal) => {
      const id = required('volume_id', request.volumeId);
      const target = absolute('target_path', request.targetPath);
      const volume = volumeOf(request.volumeContext, request.volumeCapability);
      refuseSecrets(request.secrets);
      refuseInline(request.volumeContext);
      if (request.stagingTargetPath === '')
        throw new CsiError('FAILED_PRECONDITION', 'staging_target_path: is missing; stage the volume first');
      const staged = absolute('staging_target_path', request.stagingTargetPath);
      const isReadOnly = request.readonly || isReader(request.volumeCapability);
      const flags = flagsOf(mountOf(request.volumeCapability).mountFlags, isReadOnly);
      const publish = () => callFront(host, ['volume', 'publish', staged, target, ...flags], signal);
      await turns.take(id, signal, async () => {
        try {
          await publish();
        } catch (error) {
          const failure = error instanceof CsiError ? error.failure : undefined;
          if (failure?.class === 'mount-point' && failure.subject === staged)
            throw new CsiError('FAILED_PRECONDITION', `${staged}: ${failure.message}; ${failure.hint}`);
          if (failure?.class !== 'stale') throw error;
          // Its daemon has ended: kubelet, which has staged it, does not stage it again.
          await mount(volume, staged, signal);
          await publish();
        }
      });
      return {};
    },
    NodeUnpublishVolume: ({ volumeId, targetPath }, signal) => unpublish(volumeId, targetPath, signal),
    NodeGetVolumeStats: (request) => stats(request, host),
    // STAGE_UNSTAGE_VOLUME, GET_VOLUME_STATS, VOLUME_CONDITION, SINGLE_NODE_MULTI_WRITER
    NodeGetCapabilities: () => ({ capabilities: [1, 2, 4, 5].map((type) => ({ rpc: { type } })) }),
    NodeGetInfo: () => ({ nodeId }),
  };
}

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

/** A Pod's author would choose the server. */
function refuseInline(context: Readonly<Record<string, string>>): void {
  if (context['csi.storage.k8s.io/ephemeral'] === 'true')
    throw invalid(
      'volume_context',
      'the volume is inline in a Pod, and no rule of this node allows that',
      'use a PersistentVolume',
    );
}

/** Nothing on a volume is trusted, unless it is asked for. */
function flagsOf(options: readonly string[], isReadOnly: boolean): readonly string[] {
  const asked = options.flatMap((option) => option.split(','));
  const isSet: Readonly<Record<(typeof mountFlagNames)[number], boolean>> = {
    ro: isReadOnly || asked.includes('ro'),
    nosuid: !asked.includes('suid'),
    nodev: !asked.includes('dev'),
    noexec: asked.includes('noexec'),
  };
  return mountFlagNames.filter((flag) => isSet[flag]);
}
