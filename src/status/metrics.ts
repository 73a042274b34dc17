import packageJson from '../../package.json' with { type: 'json' };
import type { Host } from '../host/host.ts';
import { readMountinfo } from '../host/mountinfo.ts';
import { allTraits } from '../mount/filesystems/all.ts';
import { exposition, type MetricFamily, type Sample } from '../record/exposition.ts';
import { mountMetrics } from '../record/mount-metrics.ts';
import type { NodeRecord } from '../record/read.ts';
import { addCalls } from '../record/totals.ts';
import { type NodeStatus, seenStates } from './node.ts';

/** Prometheus' text format: the node's state now, and all mounts there were. */
export function metricsText(node: NodeStatus, { totals, calls }: NodeRecord, host: Host): string {
  return exposition([...nodeMetrics(node, host), ...mountMetrics(addCalls(totals, calls))]);
}

function nodeMetrics(node: NodeStatus, host: Host): readonly MetricFamily[] {
  return [
    gauge('mounter_info', 'This mounter and the rootfs in use.', [
      { labels: { version: packageJson.version, digest: node.digest ?? '' }, value: 1 },
    ]),
    gauge('mounter_prepared', 'Whether the node is prepared for mounts.', [
      { value: Number(node.isPrepared) },
    ]),
    gauge(
      'mounter_volumes',
      'Network volumes that are mounted, by filesystem type and state.',
      volumes(node),
    ),
    gauge(
      'mounter_lock_services_answering',
      'Whether rpcbind and rpc.statd answer; the first NFSv3 mount with locks starts them.',
      [{ value: Number(node.lockServices?.statdAnswers ?? false) }],
    ),
    gauge('mounter_mount_table_entries', 'Mounts in the mount namespace of the host.', [
      { value: readMountinfo(host).length },
    ]),
    gauge('mounter_mount_table_max', 'The limit of those: fs.mount-max.', mountMax(host)),
    gauge('mounter_versions_installed', 'Versions of the rootfs that are installed.', [
      { value: node.versions.length },
    ]),
  ];
}

function gauge(name: string, help: string, samples: readonly Sample[]): MetricFamily {
  return { name, help, type: 'gauge', samples };
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

function mountMax(host: Host): readonly Sample[] {
  const text = host.readText('/proc/sys/fs/mount-max');
  return text === undefined ? [] : [{ value: Number(text) }];
}
