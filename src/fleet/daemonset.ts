import { defaultHome } from '../node/layout.ts';
import type { GateState } from '../node-agent/gate.ts';
import {
  agentExecutable,
  gateDirectory,
  probeCommand,
  scratchDirectory,
  settingsDirectory,
} from '../node-agent/places.ts';
import { csiDriverDocument } from './csi.ts';
import {
  capabilities,
  comments,
  containerComments,
  driverCapabilities,
  tlsCapabilities,
} from './privileges.ts';
import type { CommentedDocument } from './yaml.ts';

/** Which of a cluster's objects they are. */
export interface ObjectNames {
  readonly name: string;
  readonly namespace: string;
}

export interface DaemonSetRequest extends ObjectNames {
  /** `REFERENCE@sha256:…` of the node agent's image. */
  readonly image: string;
  readonly nodeSelector: Readonly<Record<string, string>>;
  /** Undefined for all taints. */
  readonly tolerations: readonly Toleration[] | undefined;
  /** A number, or a percentage as `10%`. */
  readonly maxUnavailable: number | string;
  /** Of its nodes; each finds its own in the image. */
  readonly architectures: readonly ('amd64' | 'arm64')[];
  readonly helpers: boolean;
  /** Names of the CSI driver; none where it is not to be one. */
  readonly csi: readonly string[];
  /** Whether the driver may start tlshd. */
  readonly tls: boolean;
  readonly home: string;
  /** On the nodes. */
  readonly metricsFile: string | undefined;
  readonly intervalSeconds: number | undefined;
  /** Minor version of Kubernetes 1.x. */
  readonly kubernetesMinor: number;
  /** A type that may mount and enter namespaces, for nodes where SELinux is enforced. */
  readonly selinuxType: string | undefined;
}

export interface Toleration {
  readonly key: string;
  readonly operator: 'Equal' | 'Exists';
  readonly value?: string;
  readonly effect?: string;
}

/**
 * The settings of all nodes. `kubectl apply` replaces a ConfigMap: whatever is not in it is set no more.
 * @param settings sections to lay over the image's rootfs-manifest.json, as JSON.
 */
export function settingsDocument({ name, namespace }: ObjectNames, settings: string): CommentedDocument {
  const data = { 'settings.json': `${settings.trim()}\n` };
  return configMap({ name, namespace }, name, data, comments.settings);
}

/** The gate: apart from all else, so that to turn it changes nothing else. */
export function gateDocument({ name, namespace }: ObjectNames, state: GateState): CommentedDocument {
  return configMap({ name: gateName(name), namespace }, name, { state }, comments.gate);
}

function gateName(name: string): string {
  return `${name}-gate`;
}

function configMap(
  names: ObjectNames,
  app: string,
  data: Readonly<Record<string, string>>,
  comment: string,
): CommentedDocument {
  const metadata = { ...names, labels: labelsOf(app) };
  return { content: { apiVersion: 'v1', kind: 'ConfigMap', metadata, data }, comments: { data: comment } };
}

/**
 * The documents for kubectl apply: namespace (unless it is kube-system), service account, DaemonSet.
 * @param configMaps come before it: a node that is to be off is never on.
 */
export function daemonSetDocuments(
  request: DaemonSetRequest,
  configMaps: readonly CommentedDocument[],
): readonly CommentedDocument[] {
  const { name, namespace } = request;
  const metadata = { name, namespace, labels: labelsOf(name) };
  const serviceAccount = {
    apiVersion: 'v1',
    kind: 'ServiceAccount',
    metadata,
    automountServiceAccountToken: false,
  };
  const spec = daemonSetSpec(request);
  return [
    ...(namespace === 'kube-system' ? [] : [namespaceDocument(namespace)]),
    { content: serviceAccount, comments: { automountServiceAccountToken: comments.noToken } },
    ...configMaps,
    ...request.csi.map((driver) => csiDriverDocument(driver, labelsOf(name))),
    {
      content: { apiVersion: 'apps/v1', kind: 'DaemonSet', metadata, spec },
      comments: containerComments(request),
    },
  ];
}

function labelsOf(name: string): Readonly<Record<string, string>> {
  return { 'app.kubernetes.io/name': name, 'app.kubernetes.io/component': 'node-agent' };
}

/** The level `privileged` is the only one of Pod Security that lets a Pod into the host's namespaces. */
function namespaceDocument(name: string): CommentedDocument {
  const labels = { 'pod-security.kubernetes.io/enforce': 'privileged' };
  return {
    content: { apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels } },
    comments: { 'metadata.labels': comments.namespace },
  };
}

function daemonSetSpec(request: DaemonSetRequest) {
  return {
    selector: { matchLabels: { 'app.kubernetes.io/name': request.name } },
    revisionHistoryLimit: 5,
    minReadySeconds: 5,
    updateStrategy: {
      type: 'RollingUpdate',
      rollingUpdate: { maxUnavailable: request.maxUnavailable },
    },
    template: {
      metadata: { labels: labelsOf(request.name), ...appArmorAnnotation(request) },
      spec: podSpec(request),
    },
  };
}

function podSpec(request: DaemonSetRequest) {
  const { nodeSelector, tolerations, name } = request;
  return {
    nodeSelector: { 'kubernetes.io/os': 'linux', ...nodeSelector },
    affinity: { nodeAffinity: ofArchitectures(request) },
    tolerations: tolerations ?? [{ operator: 'Exists' }],
    priorityClassName: 'system-node-critical',
    serviceAccountName: name,
    automountServiceAccountToken: false,
    enableServiceLinks: false,
    terminationGracePeriodSeconds: 10,
    hostPID: true,
    containers: [container(request)],
    volumes: [
      { name: 'gate', configMap: { name: gateName(name), optional: true } },
      { name: 'settings', configMap: { name, optional: true } },
      { name: 'scratch', emptyDir: { medium: 'Memory', sizeLimit: '1Mi' } },
    ],
  };
}

function ofArchitectures({ architectures }: DaemonSetRequest) {
  const matchExpressions = [{ key: 'kubernetes.io/arch', operator: 'In', values: architectures }];
  return { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [{ matchExpressions }] } };
}

function container(request: DaemonSetRequest) {
  return {
    name: 'node-agent',
    image: request.image,
    imagePullPolicy: 'IfNotPresent',
    command: [agentExecutable, 'node-agent', ...agentFlags(request)],
    ...environmentOf(request),
    readinessProbe: {
      exec: { command: probeCommand },
      initialDelaySeconds: 3,
      periodSeconds: 10,
      timeoutSeconds: 5,
      failureThreshold: 2,
    },
    resources: {
      requests: { cpu: '5m', memory: '64Mi' },
      limits: { memory: '512Mi' },
    },
    securityContext: securityContext(request),
    volumeMounts: [
      { name: 'gate', mountPath: gateDirectory, readOnly: true },
      { name: 'settings', mountPath: settingsDirectory, readOnly: true },
      { name: 'scratch', mountPath: scratchDirectory },
    ],
  };
}

function environmentOf({ home, csi }: DaemonSetRequest) {
  const env = [
    ...(home === defaultHome ? [] : [{ name: 'MOUNTER_HOME', value: home }]),
    ...(csi.length === 0
      ? []
      : [{ name: 'NODE_NAME', valueFrom: { fieldRef: { fieldPath: 'spec.nodeName' } } }]),
  ];
  return env.length === 0 ? {} : { env };
}

function agentFlags({ helpers, csi, metricsFile, intervalSeconds }: DaemonSetRequest): readonly string[] {
  return [
    ...(helpers ? ['--helpers'] : []),
    ...(csi.length === 0 ? [] : ['--csi', csi.join()]),
    ...(metricsFile === undefined ? [] : ['--metrics', metricsFile]),
    ...(intervalSeconds === undefined ? [] : ['--interval', String(intervalSeconds)]),
  ];
}

function securityContext({ csi, tls, kubernetesMinor, selinuxType }: DaemonSetRequest) {
  return {
    privileged: false,
    allowPrivilegeEscalation: true,
    runAsUser: 0,
    runAsGroup: 0,
    readOnlyRootFilesystem: true,
    capabilities: {
      drop: ['ALL'],
      add: [
        ...capabilities,
        ...(csi.length === 0 ? [] : driverCapabilities),
        ...(tls ? tlsCapabilities : []),
      ],
    },
    seccompProfile: { type: 'RuntimeDefault' },
    ...(kubernetesMinor >= firstWithAppArmorField ? { appArmorProfile: { type: 'Unconfined' } } : {}),
    ...(selinuxType === undefined ? {} : { seLinuxOptions: { type: selinuxType } }),
  };
}

/** 1.30 has securityContext.appArmorProfile; before, an annotation said it, which newer kubelets do not read. */
const firstWithAppArmorField = 30;

function appArmorAnnotation({ kubernetesMinor }: DaemonSetRequest) {
  if (kubernetesMinor >= firstWithAppArmorField) return {};
  return { annotations: { 'container.apparmor.security.beta.kubernetes.io/node-agent': 'unconfined' } };
}
