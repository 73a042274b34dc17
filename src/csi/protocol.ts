import type { ServiceDefinition, UntypedServiceImplementation } from '@grpc/grpc-js';
import { fromJSON, type ServiceDefinition as LoadedService } from '@grpc/proto-loader';

/**
 * What of the CSI specification (1.12, package csi.v1) and of kubelet's plugin registration we speak: their messages,
 * field by field, as `TYPE NUMBER`; `map` is one of strings, and enums are their numbers. A message is named after its
 * method, as in the specification; on the wire there are numbers alone.
 * @see csi.proto of the specification; k8s.io/kubelet/pkg/apis/pluginregistration/v1
 */

const messages = {
  GetPluginInfoRequest: {},
  GetPluginInfoResponse: { name: 'string 1', vendorVersion: 'string 2', manifest: 'map 3' },
  GetPluginCapabilitiesRequest: {},
  GetPluginCapabilitiesResponse: { capabilities: 'PluginCapability[] 1' },
  PluginCapability: { service: 'Typed 1' },
  ProbeRequest: {},
  ProbeResponse: { ready: 'BoolValue 1' },
  BoolValue: { value: 'bool 1' },

  ControllerGetCapabilitiesRequest: {},
  ControllerGetCapabilitiesResponse: { capabilities: 'RpcCapability[] 1' },

  NodeStageVolumeRequest: {
    volumeId: 'string 1',
    publishContext: 'map 2',
    stagingTargetPath: 'string 3',
    volumeCapability: 'VolumeCapability 4',
    secrets: 'map 5',
    volumeContext: 'map 6',
  },
  NodeStageVolumeResponse: {},
  NodeUnstageVolumeRequest: { volumeId: 'string 1', stagingTargetPath: 'string 2' },
  NodeUnstageVolumeResponse: {},
  NodePublishVolumeRequest: {
    volumeId: 'string 1',
    publishContext: 'map 2',
    stagingTargetPath: 'string 3',
    targetPath: 'string 4',
    volumeCapability: 'VolumeCapability 5',
    readonly: 'bool 6',
    secrets: 'map 7',
    volumeContext: 'map 8',
  },
  NodePublishVolumeResponse: {},
  NodeUnpublishVolumeRequest: { volumeId: 'string 1', targetPath: 'string 2' },
  NodeUnpublishVolumeResponse: {},
  NodeGetVolumeStatsRequest: { volumeId: 'string 1', volumePath: 'string 2', stagingTargetPath: 'string 3' },
  NodeGetVolumeStatsResponse: { usage: 'VolumeUsage[] 1', volumeCondition: 'VolumeCondition 2' },
  NodeGetCapabilitiesRequest: {},
  NodeGetCapabilitiesResponse: { capabilities: 'RpcCapability[] 1' },
  NodeGetInfoRequest: {},
  NodeGetInfoResponse: { nodeId: 'string 1', maxVolumesPerNode: 'int64 2' },

  VolumeCapability: { block: 'Empty 1', mount: 'MountVolume 2', accessMode: 'AccessMode 3' },
  MountVolume: { fsType: 'string 1', mountFlags: 'string[] 2', volumeMountGroup: 'string 3' },
  AccessMode: { mode: 'int32 1' },
  VolumeUsage: { available: 'int64 1', total: 'int64 2', used: 'int64 3', unit: 'int32 4' },
  VolumeCondition: { abnormal: 'bool 1', message: 'string 2' },
  RpcCapability: { rpc: 'Typed 1' },
  Typed: { type: 'int32 1' },
  Empty: {},

  GetInfoRequest: {},
  GetInfoResponse: {
    type: 'string 1',
    name: 'string 2',
    endpoint: 'string 3',
    supportedVersions: 'string[] 4',
  },
  NotifyRegistrationStatusRequest: { pluginRegistered: 'bool 1', error: 'string 2' },
  NotifyRegistrationStatusResponse: {},
} as const;

const services = {
  Identity: ['csi.v1', ['GetPluginInfo', 'GetPluginCapabilities', 'Probe']],
  Controller: ['csi.v1', ['ControllerGetCapabilities']],
  Node: [
    'csi.v1',
    [
      'NodeStageVolume',
      'NodeUnstageVolume',
      'NodePublishVolume',
      'NodeUnpublishVolume',
      'NodeGetVolumeStats',
      'NodeGetCapabilities',
      'NodeGetInfo',
    ],
  ],
  Registration: ['pluginregistration', ['GetInfo', 'NotifyRegistrationStatus']],
} as const;

type Messages = typeof messages;
type Services = typeof services;
export type ServiceName = keyof Services;
export type MethodOf<S extends ServiceName> = Services[S][1][number];

interface Scalars {
  string: string;
  bool: boolean;
  int32: number;
  int64: number;
  map: Readonly<Record<string, string>>;
}
type TypeOf<T> = T extends keyof Scalars ? Scalars[T] : T extends keyof Messages ? Message<T> | null : never;
type FieldOf<F> = F extends `${infer T}[] ${number}`
  ? readonly NonNullable<TypeOf<T>>[]
  : F extends `${infer T} ${number}`
    ? TypeOf<T>
    : never;

/** As it was received: a field that was not sent is '', 0, false, {} or [], a message null. */
export type Message<M extends keyof Messages> = {
  readonly [F in keyof Messages[M]]: FieldOf<Messages[M][F]>;
};
/** As it is sent: what is left out is not sent. */
type Sent<T> = T extends readonly (infer E)[]
  ? readonly Sent<E>[]
  : T extends object
    ? { readonly [F in keyof T]?: Sent<T[F]> }
    : T;

export type Request<M extends string> = Message<Extract<`${M}Request`, keyof Messages>>;
export type Response<M extends string> = Sent<Message<Extract<`${M}Response`, keyof Messages>>>;

/** As TypeScript has them: `volumeId` stays so, and what was not sent has the value that protobuf gives it. */
const loading = { keepCase: true, defaults: true, longs: Number } as const;

/** @returns what a gRPC server takes, or makes a client of. */
export function serviceDefinition(name: ServiceName): ServiceDefinition<UntypedServiceImplementation> {
  const [inPackage, methods] = services[name];
  const content = { ...messageTypes(), [name]: { methods: Object.fromEntries(methods.map(methodOf)) } };
  const root = inPackage.split('.').reduceRight<object>((nested, part) => ({ [part]: { nested } }), content);
  return fromJSON({ nested: root as Record<string, never> }, loading)[
    `${inPackage}.${name}`
  ] as LoadedService;
}

function methodOf(name: string) {
  return [name, { requestType: `${name}Request`, responseType: `${name}Response` }] as const;
}

function messageTypes() {
  const types = Object.entries(messages).map(([name, fields]) => {
    const described = Object.entries<string>(fields).map(([field, text]) => [field, fieldOf(text)] as const);
    return [name, { fields: Object.fromEntries(described) }] as const;
  });
  return Object.fromEntries(types);
}

function fieldOf(text: string): object {
  const [type = '', id] = text.split(' ');
  if (type === 'map') return { keyType: 'string', type: 'string', id: Number(id) };
  return type.endsWith('[]')
    ? { rule: 'repeated', type: type.slice(0, -2), id: Number(id) }
    : { type, id: Number(id) };
}
