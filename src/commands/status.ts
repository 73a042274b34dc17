import { existsSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { terminalWidth } from '../columns.ts';
import { MounterError } from '../errors.ts';
import { exitCode } from '../exit-codes.ts';
import type { Host } from '../host/host.ts';
import { readMountinfo } from '../host/mountinfo.ts';
import { jsonOutput } from '../json.ts';
import type { Manifest } from '../manifest/manifest.ts';
import { defaultPlace, type RecordPlace } from '../manifest/record-place.ts';
import { usualMetricsFile } from '../node/layout.ts';
import { type BareNode, readManifest, requireRoot } from '../node/node.ts';
import { settingsAnswer } from '../node/settings.ts';
import type { NodeRecord } from '../record/read.ts';
import type { MountSummary } from '../record/summary.ts';
import type { NodeStatus } from '../status/node.ts';
import type { GrantedVolume } from '../status/volumes.ts';
import { stateMeanings } from '../volumes/states.ts';
import { defineCommand, wideText } from './command.ts';

export const status = defineCommand({
  name: 'status',
  summary: 'what is installed, prepared, running and mounted; status 1 when a mount cannot work',
  operands: '[FILE]',
  usage: ['[--json] [--wide]', '--volumes [--json]', '--metrics [FILE]'],
  flags: {
    '--json': 'all of it; the state of a volume is one of these words (not-asked)',
    '--volumes': `what each volume really has, by the mount table and the record alone: version, security, transport,
      read-ahead and the like, and what of that is less than was asked for; exit status 0 whatever it is`,
    '--metrics': `for Prometheus, as text: all mounts there were, what the CSI driver was asked for, and the node's state,
      with the volumes by type and state: mounter_volumes{fstype="nfs",state="stale"}. To FILE, replaced at once, for node-exporter's textfile collector; - is standard output;
      exit status 0 whatever the state`,
    '--wide': wideText,
    '--checked-settings': { text: 'what the front goes by, which asks for it by itself', isInternal: true },
  },
  manual: [
    `What is installed, prepared, running and mounted, and how recent mounts went. Exit status 0 when a mount
    can work, or where the mounter is turned off on purpose; 1 when a mount would fail, as mounter doctor says, which
    asks more. Each volume is asked, all together for less than 3 s:`,
    [
      ...Object.entries(stateMeanings).map(([state, meaning]) => [state.replace('-', ' '), meaning] as const),
      ['unknown', 'only root can ask, and where a rootfs is installed'],
    ],
    'mounter doctor says what to do about those that are not alive.',
  ],
  examples: [
    'mounter status',
    'mounter status --json',
    'mounter status --volumes',
    `mounter status --metrics ${usualMetricsFile}`,
  ],
  run: async (flags, { layout, host, output }) => {
    if (flags.has('checked-settings')) {
      output.out(JSON.stringify(await settingsAnswer(host, layout)));
      return exitCode.success;
    }
    const [file] = flags.operands;
    requireRoot(host, 'looking at the node');
    if (file !== undefined && !flags.has('metrics')) throw onlyMetrics(file);
    if (flags.has('json') && flags.has('metrics')) throw twoForms();
    if (flags.has('volumes') && flags.has('metrics')) throw volumesOrMetrics();
    if (file !== undefined && !existsSync(dirname(resolve(file)))) throw noDirectory(file);
    const manifest = await manifestIfValid({ host, layout });
    const record = await recordOf(manifest?.log ?? defaultPlace, host);
    const calls = record?.calls ?? [];
    if (flags.has('volumes')) {
      const { describeVolumes, observeVolumes } = await import('../status/volumes.ts');
      const volumes = observeVolumes(host, manifest, calls);
      output.out(
        flags.has('json') ? jsonOutput({ volumes } satisfies VolumesJson) : describeVolumes(volumes),
      );
      return exitCode.success;
    }
    const { observeNode } = await import('../status/node.ts');
    const node = await observeNode(host, layout, manifest, calls);
    if (flags.has('metrics')) {
      const { metricsText } = await import('../status/metrics.ts');
      const { writeAmongOthers } = await import('../host/write-among-others.ts');
      const text = metricsText(node, record, host);
      if (file === undefined || file === '-') output.out(text);
      else writeAmongOthers(resolve(file), text, 0o644);
      return exitCode.success;
    }
    const { summarizeMounts } = await import('../record/summary.ts');
    const history = record === undefined ? null : summarizeMounts(record.calls, Date.now());
    const { describeHistory } = await import('../status/history.ts');
    const { describeNode } = await import('../status/show.ts');
    if (flags.has('json')) output.out(jsonOutput({ ...node, history } satisfies StatusJson));
    else {
      const width = terminalWidth(flags.has('wide'));
      output.out(`${describeNode(node, width)}\n${describeHistory(history, width)}`);
    }
    return node.verdict.node === 'failing' ? exitCode.usage : exitCode.success;
  },
});

/** One that cannot be read, or may not answer, is no reason to say nothing of the node. */
async function recordOf(place: RecordPlace, host: Host): Promise<NodeRecord | undefined> {
  const { isNetworkMount } = await import('../doctor/context.ts');
  const { readRecord } = await import('../record/read.ts');
  try {
    if (place.to === 'file' && isNetworkMount(place.file, readMountinfo(host))) return undefined;
    return await readRecord(place);
  } catch {
    return undefined;
  }
}

/** What `--volumes --json` prints. */
export interface VolumesJson {
  readonly volumes: readonly GrantedVolume[];
}

/** What `--json` prints. */
export interface StatusJson extends NodeStatus {
  /** The mounts of late; null where the record cannot be read. */
  readonly history: MountSummary | null;
}

/** A broken one is a verdict, and no end of what can be seen of the node. */
async function manifestIfValid({ host, layout }: BareNode): Promise<Manifest | undefined> {
  try {
    return await readManifest(host, layout);
  } catch (error) {
    if (error instanceof MounterError) return undefined;
    throw error;
  }
}

function twoForms(): MounterError {
  return new MounterError('the metrics are no JSON', {
    subject: '--json',
    status: exitCode.usage,
    hint: 'take --json or --metrics: mounter status --json has the state of the node, but not all mounts there were',
  });
}

function volumesOrMetrics(): MounterError {
  return new MounterError('the metrics count volumes, and do not show what each has', {
    subject: '--volumes',
    status: exitCode.usage,
    hint: 'take --volumes or --metrics',
  });
}

function noDirectory(file: string): MounterError {
  const directory = dirname(resolve(file));
  return new MounterError(`its directory ${directory} does not exist`, {
    subject: file,
    status: exitCode.usage,
    hint: `mkdir -p ${directory}, or name the directory that node-exporter reads`,
  });
}

function onlyMetrics(file: string): MounterError {
  return new MounterError('mounter status takes a file with --metrics only', {
    subject: file,
    status: exitCode.usage,
    hint: 'mounter status --metrics FILE; see mounter status --help',
  });
}
