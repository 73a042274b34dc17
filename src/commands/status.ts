import { existsSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { MounterError } from '../errors.ts';
import { exitCode } from '../exit-codes.ts';
import { jsonOutput } from '../json.ts';
import type { Manifest } from '../manifest/manifest.ts';
import { defaultPlace } from '../manifest/record-place.ts';
import { usualMetricsFile } from '../node/layout.ts';
import { type BareNode, readManifest, requireRoot } from '../node/node.ts';
import { settingsAnswer } from '../node/settings.ts';
import type { MountSummary } from '../record/summary.ts';
import type { NodeStatus } from '../status/node.ts';
import { stateMeanings } from '../volumes/states.ts';
import { defineCommand } from './command.ts';

export const status = defineCommand({
  name: 'status',
  summary: 'what is installed, prepared, running and mounted; status 1 when a mount cannot work',
  operands: '[FILE]',
  usage: ['[--json]', '--metrics [FILE]'],
  flags: {
    '--json': 'all of it; the state of a volume is one of these words (not-asked)',
    '--metrics': `for Prometheus, as text: all mounts there were, what the CSI driver was asked for, and the node's state,
      with the volumes by type and state: mounter_volumes{fstype="nfs",state="stale"}. To FILE, replaced at once, for node-exporter's textfile collector;
      exit status 0 whatever the state`,
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
  examples: ['mounter status', 'mounter status --json', `mounter status --metrics ${usualMetricsFile}`],
  run: async (flags, { layout, host, output }) => {
    if (flags.has('checked-settings')) {
      output.out(JSON.stringify(await settingsAnswer(host, layout)));
      return exitCode.success;
    }
    const [file] = flags.operands;
    requireRoot(host, 'looking at the node');
    if (file !== undefined && !flags.has('metrics')) throw onlyMetrics(file);
    if (flags.has('json') && flags.has('metrics')) throw twoForms();
    if (file !== undefined && !existsSync(dirname(resolve(file)))) throw noDirectory(file);
    const manifest = await manifestIfValid({ host, layout });
    const place = manifest?.log ?? defaultPlace;
    const { observeNode } = await import('../status/node.ts');
    if (flags.has('metrics')) {
      const { readRecord } = await import('../record/read.ts');
      const { metricsText } = await import('../status/metrics.ts');
      const { writeAmongOthers } = await import('../host/write-among-others.ts');
      // A record that cannot be read is no reason to say nothing of the node.
      const record = await readRecord(place).catch(() => undefined);
      const text = metricsText(await observeNode(host, layout, manifest), record, host);
      if (file === undefined) output.out(text);
      else writeAmongOthers(resolve(file), text, 0o644);
      return exitCode.success;
    }
    const node = await observeNode(host, layout, manifest);
    const { describeHistory, readHistory } = await import('../status/history.ts');
    const history = await readHistory(place);
    const { describeNode } = await import('../status/show.ts');
    if (flags.has('json')) output.out(jsonOutput({ ...node, history } satisfies StatusJson));
    else output.out(`${describeNode(node)}\n${describeHistory(history)}`);
    return node.verdict.node === 'failing' ? exitCode.usage : exitCode.success;
  },
});

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
