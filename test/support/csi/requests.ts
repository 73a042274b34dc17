import { dirname } from 'node:path';

/** A volume as kubelet asks a driver for it, in JSON of csi.proto. */
export interface TestVolume {
  readonly staging: string;
  /** A Pod's. */
  readonly target: (pod: number) => string;
  /** What kubelet makes before it calls. */
  readonly directories: (pods: number) => readonly string[];
  readonly staged: object;
  readonly published: (pod: number, more?: object) => object;
  readonly unstaged: object;
  readonly unpublished: (pod: number) => object;
}

export const driverName = 'containerized-mounter.csi';
const kubeletDirectory = '/var/lib/kubelet';
export const socket = `${kubeletDirectory}/plugins/${driverName}/csi.sock`;
export const registrySocket = `${kubeletDirectory}/plugins_registry/${driverName}-reg.sock`;

export function capability(mode = 'MULTI_NODE_MULTI_WRITER', mountFlags: readonly string[] = []) {
  return { mount: { mountFlags }, accessMode: { mode } };
}

export function testVolume(
  id: string,
  volumeContext: object,
  mountFlags: readonly string[] = [],
): TestVolume {
  const staging = `${kubeletDirectory}/plugins/kubernetes.io/csi/${driverName}/${id}/globalmount`;
  const target = (pod: number) =>
    `${kubeletDirectory}/pods/${id}-${pod}/volumes/kubernetes.io~csi/${id}/mount`;
  const common = {
    volumeId: id,
    stagingTargetPath: staging,
    volumeCapability: capability(undefined, mountFlags),
    volumeContext,
  };
  return {
    staging,
    target,
    directories: (pods) => [staging, ...Array.from({ length: pods }, (_, pod) => dirname(target(pod + 1)))],
    staged: common,
    published: (pod, more = {}) => ({ ...common, targetPath: target(pod), ...more }),
    unstaged: { volumeId: id, stagingTargetPath: staging },
    unpublished: (pod) => ({ volumeId: id, targetPath: target(pod) }),
  };
}
