import packageJson from '../../package.json' with { type: 'json' };
import type { Host } from '../host/host.ts';
import { readMountinfo } from '../host/mountinfo.ts';
import { allTraits } from '../mount/filesystems/all.ts';
import { csiMetrics, csiTotalsFile, parseCsiTotals } from '../record/csi-metrics.ts';
import { exposition, type MetricFamily, type Sample } from '../record/exposition.ts';
import { mountMetrics } from '../record/mount-metrics.ts';
import type { NodeRecord } from '../record/read.ts';
import { addCalls } from '../record/totals.ts';
import { lockServices, serviceOf } from '../services/services.ts';
import { type NodeStatus, seenStates } from './node.ts';

/**
 * Prometheus' text format: the node's state now, all mounts there were, and what the CSI driver was asked for.
 * @param record undefined where it cannot be read.
 */
export function metricsText(node: NodeStatus, record: NodeRecord | undefined, host: Host): string {
  const mounts = record === undefined ? [] : mountMetrics(addCalls(record.totals, record.calls));
  const csi = csiMetrics(parseCsiTotals(host.readText(csiTotalsFile)));
  return exposition([...nodeMetrics(node, host), ...mounts, ...csi]);
}

/** The names and meanings of what is said of the node now. The alert rules take the names from here. */
export const nodeGauges = {
  info: ['mounter_info', 'This mounter and the rootfs in use.'],
  healthy: [
    'mounter_healthy',
    'Whether the node is in order: a mount can work, or the mounter is turned off on purpose.',
  ],
  enabled: ['mounter_enabled', 'Whether the mounter is turned on on this node.'],
  ready: [
    'mounter_ready',
    'Whether a mount of this filesystem type can work, for each type that the settings offer.',
  ],
  prepared: ['mounter_prepared', 'Whether the node is prepared for mounts.'],
  volumes: ['mounter_volumes', 'Network volumes that are mounted, by filesystem type and state.'],
  lockServices: [
    'mounter_lock_services_answering',
    'Whether rpcbind and rpc.statd answer; the first NFSv3 mount with locks starts them.',
  ],
  services: [
    'mounter_service_answering',
    'Whether a service that mounts need, and that runs on the node, answers; none for one that does not run.',
  ],
  tableEntries: ['mounter_mount_table_entries', 'Mounts in the mount namespace of the host.'],
  tableMax: ['mounter_mount_table_max', 'The limit of those: fs.mount-max.'],
  versions: ['mounter_versions_installed', 'Versions of the rootfs that are installed.'],
  time: ['mounter_metrics_timestamp_seconds', 'When the node was looked at for this, in seconds since 1970.'],
} as const satisfies Readonly<Record<string, readonly [name: string, help: string]>>;

function nodeMetrics(node: NodeStatus, host: Host): readonly MetricFamily[] {
  const { verdict, lockServices, versions } = node;
  const info = { labels: { version: packageJson.version, digest: node.digest ?? '' }, value: 1 };
  const samples: Readonly<Record<keyof typeof nodeGauges, readonly Sample[]>> = {
    info: [info],
    healthy: [{ value: Number(verdict.node !== 'failing') }],
    enabled: [{ value: Number(node.isEnabled) }],
    ready: Object.entries(verdict.types).map(([type, state]) => ({
      labels: { type },
      value: Number(state === 'ready'),
    })),
    prepared: [{ value: Number(node.isPrepared) }],
    volumes: volumes(node),
    lockServices: [{ value: Number(lockServices?.statdAnswers ?? false) }],
    services: services(node),
    tableEntries: [{ value: readMountinfo(host).length }],
    tableMax: mountMax(host),
    versions: [{ value: versions.length }],
    time: [{ value: Math.round(Date.now() / 1000) }],
  };
  return Object.entries(nodeGauges).map(([key, [name, help]]) => ({
    name,
    help,
    type: 'gauge',
    samples: samples[key as keyof typeof nodeGauges],
  }));
}

/** Shown also when there is none: a sample that is missing raises no alarm. */
const commonTypes = allTraits.filter(({ isExtra }) => !isExtra).flatMap(({ kernelTypes }) => kernelTypes);

function volumes(node: NodeStatus): readonly Sample[] {
  const types = new Set([...commonTypes, ...node.volumes.map(({ fstype }) => fstype)]);
  return [...types].flatMap((fstype) => {
    const ofType = node.volumes.filter((volume) => volume.fstype === fstype);
    return seenStates.map((state) => ({
      labels: { fstype, state },
      value: ofType.filter((volume) => volume.state === state).length,
    }));
  });
}

/** One that runs not yet is started by the first mount that needs it. */
function services({ lockServices: locks, securityServices }: NodeStatus): readonly Sample[] {
  const ofLocks = lockServices.map(({ role, title, answers }) => ({
    service: title,
    daemon: locks?.[role] ?? null,
    answers: locks?.[answers] === true,
  }));
  const ofSecurity = (securityServices ?? []).map(({ service, daemon, answers }) => ({
    service: serviceOf(service).title,
    daemon,
    answers,
  }));
  const all = [...ofLocks, ...ofSecurity];
  return all.flatMap(({ service, daemon, answers }) =>
    daemon === null ? [] : [{ labels: { service }, value: Number(answers) }],
  );
}

function mountMax(host: Host): readonly Sample[] {
  const text = host.readText('/proc/sys/fs/mount-max');
  return text === undefined ? [] : [{ value: Number(text) }];
}
