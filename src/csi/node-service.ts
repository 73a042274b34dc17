import { mountFlagNames, type Space } from '../host/mount-host.ts';
import { CsiError, invalid } from './csi-error.ts';
import { callFront, type NodeHost } from './node-host.ts';
import type { Request, Response } from './protocol.ts';
import { Turns } from './turns.ts';
import { type CsiVolume, isReader, mountOf, volumeOf } from './volume.ts';

/** Node service of the CSI specification. The state is what the kernel has mounted: nothing else is written down. */
export class NodeService {
  readonly #host: NodeHost;
  readonly #nodeId: string;
  readonly #turns = new Turns();

  constructor(host: NodeHost, nodeId: string) {
    this.#host = host;
    this.#nodeId = nodeId;
  }

  async stage(
    request: Request<'NodeStageVolume'>,
    signal: AbortSignal,
  ): Promise<Response<'NodeStageVolume'>> {
    const id = required('volume_id', request.volumeId);
    const path = absolute('staging_target_path', request.stagingTargetPath);
    const volume = volumeOf(request.volumeContext, request.volumeCapability);
    refuseSecrets(request.secrets);
    await this.#turns.take(id, signal, () => this.#mount(volume, path, signal));
    return {};
  }

  async unstage(
    request: Request<'NodeUnstageVolume'>,
    signal: AbortSignal,
  ): Promise<Response<'NodeUnstageVolume'>> {
    const id = required('volume_id', request.volumeId);
    const path = absolute('staging_target_path', request.stagingTargetPath);
    await this.#turns.take(id, signal, () => callFront(this.#host, ['volume', 'unstage', path], signal));
    return {};
  }

  async publish(
    request: Request<'NodePublishVolume'>,
    signal: AbortSignal,
  ): Promise<Response<'NodePublishVolume'>> {
    const id = required('volume_id', request.volumeId);
    const target = absolute('target_path', request.targetPath);
    const volume = volumeOf(request.volumeContext, request.volumeCapability);
    refuseSecrets(request.secrets);
    refuseInline(request.volumeContext);
    if (request.stagingTargetPath === '')
      throw new CsiError('FAILED_PRECONDITION', 'staging_target_path: is missing; stage the volume first');
    const staged = absolute('staging_target_path', request.stagingTargetPath);
    const flags = flagsOf(
      mountOf(request.volumeCapability).mountFlags,
      request.readonly || isReader(request.volumeCapability),
    );
    const publish = () => callFront(this.#host, ['volume', 'publish', staged, target, ...flags], signal);
    await this.#turns.take(id, signal, async () => {
      try {
        await publish();
      } catch (error) {
        // Its daemon has ended: kubelet, which has staged it, does not stage it again.
        const failure = error instanceof CsiError ? error.failure : undefined;
        if (failure?.class === 'mount-point' && failure.subject === staged)
          throw new CsiError('FAILED_PRECONDITION', `${staged}: ${failure.message}; ${failure.hint}`);
        if (failure?.class !== 'stale') throw error;
        await this.#mount(volume, staged, signal);
        await publish();
      }
    });
    return {};
  }

  async unpublish(
    request: Request<'NodeUnpublishVolume'>,
    signal: AbortSignal,
  ): Promise<Response<'NodeUnpublishVolume'>> {
    const id = required('volume_id', request.volumeId);
    const target = absolute('target_path', request.targetPath);
    await this.#turns.take(id, signal, () => callFront(this.#host, ['volume', 'unpublish', target], signal));
    return {};
  }

  async stats(request: Request<'NodeGetVolumeStats'>): Promise<Response<'NodeGetVolumeStats'>> {
    required('volume_id', request.volumeId);
    const path = absolute('volume_path', request.volumePath);
    const space = await this.#spaceOf(path);
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
      volumeCondition: { abnormal: false, message: 'it answers' },
    };
  }

  /** By a process that may never come back. @returns the name of an errno for a volume that does not answer with it. */
  async #spaceOf(path: string): Promise<Space | string> {
    const limit = AbortSignal.timeout(statsMs);
    const silent = new Promise<undefined>((resolve) =>
      limit.addEventListener('abort', () => resolve(undefined)),
    );
    try {
      const asked = callFront(this.#host, ['volume', 'stats', path], limit);
      asked.catch(() => {});
      const answer = await Promise.race([asked, silent]);
      return answer === undefined ? 'silent' : (JSON.parse(answer) as Space | string);
    } catch (error) {
      if (limit.aborted) return 'silent';
      const failure = error instanceof CsiError ? error.failure : undefined;
      if (failure?.class !== 'mount-point') throw error;
      throw new CsiError('NOT_FOUND', `volume_path: no volume is mounted on ${path}; publish it first`);
    }
  }

  /** STAGE_UNSTAGE_VOLUME, GET_VOLUME_STATS, VOLUME_CONDITION, SINGLE_NODE_MULTI_WRITER */
  capabilities(): Response<'NodeGetCapabilities'> {
    return { capabilities: [1, 2, 4, 5].map((type) => ({ rpc: { type } })) };
  }

  info(): Response<'NodeGetInfo'> {
    return { nodeId: this.#nodeId };
  }

  #mount({ fstype, source, options }: CsiVolume, path: string, signal: AbortSignal): Promise<string> {
    const words = options.length === 0 ? [] : ['-o', options.join(',')];
    return callFront(this.#host, ['mount', '--json', '-t', fstype, ...words, source, path], signal);
  }
}

/** kubelet gives the whole call 2 s where many volumes are asked. */
const statsMs = 1000;

/** In doctor's words. */
const conditions: Readonly<Record<string, string | undefined>> = {
  silent: 'no answer: its server is gone or out of reach, or its FUSE daemon hangs',
  ESTALE: 'its server no longer knows what was mounted',
  ENOTCONN: 'its FUSE daemon is gone',
  ECONNABORTED: 'its FUSE daemon is gone',
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
  return value.replace(/\/+$/, '');
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
