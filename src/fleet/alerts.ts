import { csiOperationsTotal } from '../record/csi-metrics.ts';
import { mountsTotal } from '../record/mount-metrics.ts';
import { nodeGauges } from '../status/metrics.ts';
import type { SeenVolume } from '../status/node.ts';
import { yamlText } from './yaml.ts';

/** Alert rules for Prometheus. The names of the metrics are those of the tables that the metrics are made of. */

const metric = Object.fromEntries(Object.entries(nodeGauges).map(([key, [name]]) => [key, name])) as {
  readonly [Key in keyof typeof nodeGauges]: (typeof nodeGauges)[Key][0];
};

interface Alert {
  readonly alert: string;
  readonly expr: string;
  /** It is raised when it has been so for as long. */
  readonly for: string;
  readonly severity: 'critical' | 'warning' | 'info';
  readonly summary: string;
  /** The next action. */
  readonly description: string;
}

const node = '{{ $labels.instance }}';
const here = 'on (instance, job)';

const alerts: readonly Alert[] = [
  {
    alert: 'MounterNotHealthy',
    expr: `${metric.healthy} == 0`,
    for: '5m',
    severity: 'critical',
    summary: `Mounts fail on ${node}`,
    description: 'Run mounter doctor on the node: it says why, and what to do.',
  },
  {
    alert: 'MounterTypeLacking',
    expr: `${metric.ready} == 0 and ${here} (${metric.healthy} == 1 and ${metric.enabled} == 1)`,
    for: '15m',
    severity: 'info',
    summary: `The kernel of ${node} cannot mount {{ $labels.type }}`,
    description:
      'Install its modules; or set the type to null in the filesystems of the settings, where no volume is of it.',
  },
  {
    alert: 'MounterMetricsStale',
    expr: `time() - ${metric.time} > 600`,
    for: '1m',
    severity: 'warning',
    summary: `Nobody looks after the mounter on ${node}`,
    description:
      'See containerized-mounter-metrics.timer and .service, or the Pod of the node agent; where the mounter was removed, remove the file that it wrote for node-exporter.',
  },
  {
    alert: 'MounterMountsFail',
    expr: `sum by (instance, job, fstype, class) (increase(${mountsTotal}{result="failure"}[15m])) > 2`,
    for: '5m',
    severity: 'warning',
    summary: `Mounts of {{ $labels.fstype }} fail on ${node}: {{ $labels.class }}`,
    description: 'Run mounter log --failures on the node: it has their reasons, and what to do.',
  },
  {
    // Failed mounts are above; what was given up, and what came while another call was at work, kubelet asks for again.
    alert: 'MounterCsiCallsFail',
    expr: `sum by (instance, job, method, code) (increase(${csiOperationsTotal}{method!="NodeStageVolume",code!~"OK|ABORTED|CANCELLED"}[15m])) > 2`,
    for: '5m',
    severity: 'warning',
    summary: `{{ $labels.method }} of the CSI driver fails on ${node}: {{ $labels.code }}`,
    description:
      'The events of the Pods on the node have the reasons, and the log of the driver; after NodeUnpublishVolume or NodeUnstageVolume, Pods there do not end.',
  },
  {
    alert: 'MounterVolumesBroken',
    expr: `${metric.volumes}{${stateIn('dead', 'stale', 'error')}} > 0`,
    for: '5m',
    severity: 'warning',
    summary: `{{ $value }} volumes of {{ $labels.fstype }} are {{ $labels.state }} on ${node}`,
    description: 'Run mounter doctor on the node: it has each of them, and what to do.',
  },
  {
    alert: 'MounterVolumesSilent',
    expr: `${metric.volumes}{${stateIn('silent')}} > 0`,
    for: '5m',
    severity: 'warning',
    summary: `{{ $value }} volumes of {{ $labels.fstype }} hang on ${node}`,
    description: 'Their server does not answer: bring it back, and they go on. mounter doctor names it.',
  },
  {
    alert: 'MounterServiceSilent',
    expr: `${metric.services} == 0`,
    for: '5m',
    severity: 'warning',
    summary: `{{ $labels.service }} runs on ${node}, and does not answer`,
    description:
      'Mounts that need it wait for it or fail. Run mounter doctor on the node: it says what to do.',
  },
  {
    alert: 'MounterMountTableFull',
    expr: `${metric.tableEntries} / ${metric.tableMax} > 0.8`,
    for: '10m',
    severity: 'warning',
    summary: `The mount table of ${node} is nearly full`,
    description: 'Run mounter doctor on the node: it names mounts that are there twice, and the limit.',
  },
];

function stateIn(...states: readonly SeenVolume['state'][]): string {
  return `state=~"${states.join('|')}"`;
}

/** A rule file. @see https://prometheus.io/docs/prometheus/latest/configuration/alerting_rules/ */
export function alertRules(): string {
  const rules = alerts.map(({ alert, expr, for: duration, severity, summary, description }) => ({
    alert,
    expr,
    for: duration,
    labels: { severity },
    annotations: { summary, description },
  }));
  return yamlText([{ content: { groups: [{ name: 'containerized-mounter', rules }] }, comments: {} }]);
}
