import { dirname } from 'node:path';

/** A volume as kubelet asks a driver for it, in JSON of csi.proto. */
export interface TestVolume {
  readonly id: string;
  readonly staging: string;
  /** A Pod's. */
  readonly target: (pod: number) => string;
  /** What kubelet makes before it calls. */
  readonly directories: (pods: number) => readonly string[];
  readonly staged: object;
  readonly published: (pod: number, more?: object) => object;
  /** In a Pod of this namespace: with what kubelet adds of it. */
  readonly publishedIn: (namespace: string, pod: number, more?: object) => object;
  /** The same for a volume that is inline in that Pod, and is not staged. */
  readonly inlineIn: (namespace: string, pod: number, more?: object) => object;
  readonly unstaged: object;
  readonly unpublished: (pod: number) => object;
}

export const driverName = 'containerized-mounter.csi';
const kubeletDirectory = '/var/lib/kubelet';
/** What kubelet's own attributes begin with. */
export const kubernetes = 'csi.storage.k8s.io';
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
  const published = (pod: number, more: object = {}) => ({ ...common, targetPath: target(pod), ...more });
  const of = (namespace: string, pod: number, ephemeral: boolean) => ({
    volumeContext: {
      ...volumeContext,
      [`${kubernetes}/pod.name`]: `${id}-pod`,
      [`${kubernetes}/pod.namespace`]: namespace,
      [`${kubernetes}/pod.uid`]: `${id}-${pod}`,
      [`${kubernetes}/serviceAccount.name`]: 'default',
      [`${kubernetes}/ephemeral`]: String(ephemeral),
    },
  });
  return {
    id,
    staging,
    target,
    directories: (pods) => [staging, ...Array.from({ length: pods }, (_, pod) => dirname(target(pod + 1)))],
    staged: common,
    published,
    publishedIn: (namespace, pod, more) => published(pod, { ...of(namespace, pod, false), ...more }),
    inlineIn: (namespace, pod, more) =>
      published(pod, { ...of(namespace, pod, true), stagingTargetPath: '', ...more }),
    unstaged: { volumeId: id, stagingTargetPath: staging },
    unpublished: (pod) => ({ volumeId: id, targetPath: target(pod) }),
  };
}
