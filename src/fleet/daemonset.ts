import { agentExecutable, scratchDirectory, settingsDirectory } from '../node-agent/places.ts';
import { defaultHome } from '../rootfs/layout.ts';
import { capabilities, comments, containerComments } from './privileges.ts';
import type { CommentedDocument } from './yaml.ts';

export interface DaemonSetRequest {
  /** `REFERENCE@sha256:…` of the node agent's image. */
  readonly image: string;
  readonly name: string;
  readonly namespace: string;
  readonly nodeSelector: Readonly<Record<string, string>>;
  /** Undefined for all taints. */
  readonly tolerations: readonly Toleration[] | undefined;
  /** A number, or a percentage as `10%`. */
  readonly maxUnavailable: number | string;
  readonly architecture: 'amd64' | 'arm64';
  /** The sections laid over the image's rootfs-manifest.json, as JSON. */
  readonly settings: string;
  readonly helpers: boolean;
  readonly remove: boolean;
  readonly home: string;
  readonly intervalSeconds: number | undefined;
  /** Minor version of Kubernetes 1.x. */
  readonly kubernetesMinor: number;
  /** Where SELinux is enforced: a type that may do this. */
  readonly selinuxType: string | undefined;
}

export interface Toleration {
  readonly key: string;
  readonly operator: 'Equal' | 'Exists';
  readonly value?: string;
  readonly effect?: string;
}

/** What kubectl apply takes: namespace (unless it is kube-system), service account, settings, DaemonSet. */
export function daemonSetDocuments(request: DaemonSetRequest): readonly CommentedDocument[] {
  const { name, namespace } = request;
  const metadata = { name, namespace, labels: labelsOf(request) };
  const configMap = {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata,
    data: { 'settings.json': `${request.settings.trim()}\n` },
  };
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
    { content: configMap, comments: { data: comments.settings } },
    {
      content: { apiVersion: 'apps/v1', kind: 'DaemonSet', metadata, spec },
      comments: containerComments(request),
    },
  ];
}

function labelsOf({ name }: DaemonSetRequest): Readonly<Record<string, string>> {
  return { 'app.kubernetes.io/name': name, 'app.kubernetes.io/component': 'node-agent' };
}

/** Of the levels of Pod Security only `privileged` lets a Pod into the host's namespaces. */
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
      metadata: { labels: labelsOf(request), ...appArmorAnnotation(request) },
      spec: podSpec(request),
    },
  };
}

function podSpec(request: DaemonSetRequest) {
  const { architecture, nodeSelector, tolerations, name } = request;
  return {
    nodeSelector: { 'kubernetes.io/os': 'linux', 'kubernetes.io/arch': architecture, ...nodeSelector },
    tolerations: tolerations ?? [{ operator: 'Exists' }],
    priorityClassName: 'system-node-critical',
    serviceAccountName: name,
    automountServiceAccountToken: false,
    enableServiceLinks: false,
    terminationGracePeriodSeconds: 10,
    hostPID: true,
    containers: [container(request)],
    volumes: [
      { name: 'settings', configMap: { name } },
      { name: 'scratch', emptyDir: { medium: 'Memory', sizeLimit: '1Mi' } },
    ],
  };
}

function container(request: DaemonSetRequest) {
  return {
    name: 'node-agent',
    image: request.image,
    imagePullPolicy: 'IfNotPresent',
    command: [agentExecutable, 'node-agent', ...agentFlags(request)],
    ...(request.home === defaultHome ? {} : { env: [{ name: 'MOUNTER_HOME', value: request.home }] }),
    readinessProbe: {
      exec: { command: [agentExecutable, 'node-agent', '--check'] },
      initialDelaySeconds: 3,
      periodSeconds: 20,
      timeoutSeconds: 30,
      failureThreshold: 2,
    },
    resources: {
      requests: { cpu: '10m', memory: '64Mi' },
      limits: { memory: '512Mi' },
    },
    securityContext: securityContext(request),
    volumeMounts: [
      { name: 'settings', mountPath: settingsDirectory, readOnly: true },
      { name: 'scratch', mountPath: scratchDirectory },
    ],
  };
}

function agentFlags({ helpers, remove, intervalSeconds }: DaemonSetRequest): readonly string[] {
  return [
    ...(helpers ? ['--helpers'] : []),
    ...(remove ? ['--remove'] : []),
    ...(intervalSeconds === undefined ? [] : ['--interval', String(intervalSeconds)]),
  ];
}

function securityContext({ kubernetesMinor, selinuxType }: DaemonSetRequest) {
  return {
    privileged: false,
    allowPrivilegeEscalation: true,
    runAsUser: 0,
    runAsGroup: 0,
    readOnlyRootFilesystem: true,
    capabilities: { drop: ['ALL'], add: capabilities },
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
