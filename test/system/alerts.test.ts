import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { execa } from 'execa';
import { mounterExecutable } from '../../scripts/paths.ts';
import { ensurePrometheus } from '../support/packages/prometheus.ts';

/** The alert rules, by Prometheus' own tool: that they are valid, and what raises them. */

const scratch = mkdtempSync(join(tmpdir(), 'alerts-'));
test.after.always(() => rmSync(scratch, { recursive: true, force: true }));

const node = { instance: 'node-1', job: 'node' };

type Labels = Readonly<Record<string, string>>;

/** A metric of the node, and its values minute by minute: `0+1x9` is ten of them. */
function series(name: string, values: string, labels: Labels = {}) {
  const pairs = Object.entries({ ...node, ...labels }).map(([label, value]) => `${label}="${value}"`);
  return { series: `${name}{${pairs.join(',')}}`, values };
}

const isOn = [series('mounter_healthy', '1x30'), series('mounter_enabled', '1x30')];
const time = (values: string) => series('mounter_metrics_timestamp_seconds', values);
const ready = (type: string, values: string) => series('mounter_ready', values, { type });
const volumes = (state: string, values: string) =>
  series('mounter_volumes', values, { state, fstype: 'nfs4' });
const mounts = (result: string, values: string) =>
  series('mounter_mounts_total', values, { result, fstype: 'nfs', class: 'access-denied' });

const csi = (method: string, code: string, values: string) =>
  series('mounter_csi_operations_total', values, { method, code, type: 'nfs' });

/** What is seen for half an hour, and the alerts that are up at its end, with the label that tells them apart. */
const cases: readonly (readonly [
  title: string,
  seen: readonly ReturnType<typeof series>[],
  raised: readonly string[],
])[] = [
  [
    'a node that is in order, with volumes',
    [
      ...isOn,
      ready('nfs', '1x30'),
      volumes('alive', '9x30'),
      volumes('dead', '0x30'),
      mounts('success', '0+9x30'),
    ],
    [],
  ],
  [
    'a node on which mounts fail',
    [series('mounter_healthy', '0x30'), series('mounter_enabled', '1x30'), ready('nfs', '0x30')],
    ['MounterNotHealthy'],
  ],
  ['one that has just begun to fail', [series('mounter_healthy', '1x27 0x3')], []],
  [
    'a node that is turned off',
    [series('mounter_healthy', '1x30'), series('mounter_enabled', '0x30'), ready('nfs', '0x30')],
    [],
  ],
  [
    'a kernel that has one type and not the other',
    [...isOn, ready('nfs', '0x30'), ready('glusterfs', '1x30')],
    ['MounterTypeLacking nfs'],
  ],
  ['metrics that are written', [...isOn, time('0+60x30')], []],
  ['metrics that nobody writes any more', [...isOn, time('0+60x15 900x15')], ['MounterMetricsStale']],
  ['mounts that fail', [...isOn, mounts('failure', '0+1x30')], ['MounterMountsFail access-denied']],
  ['one mount that failed', [...isOn, mounts('failure', '0x10 1x20')], []],
  [
    'calls of the CSI driver that fail',
    [...isOn, csi('NodeUnpublishVolume', 'INTERNAL', '0+1x30'), csi('NodeUnpublishVolume', 'OK', '0+9x30')],
    ['MounterCsiCallsFail NodeUnpublishVolume'],
  ],
  [
    'calls of it that are given up, and mounts, which are counted as mounts',
    [
      ...isOn,
      csi('NodePublishVolume', 'CANCELLED', '0+1x30'),
      csi('NodePublishVolume', 'ABORTED', '0+1x30'),
      csi('NodeStageVolume', 'NOT_FOUND', '0+1x30'),
    ],
    [],
  ],
  [
    'a service that answers, and one that hangs',
    [
      ...isOn,
      series('mounter_service_answering', '1x30', { service: 'rpcbind' }),
      series('mounter_service_answering', '0x30', { service: 'rpc.statd' }),
    ],
    ['MounterServiceSilent rpc.statd'],
  ],
  ['a volume that is dead', [...isOn, volumes('dead', '1x30')], ['MounterVolumesBroken dead']],
  ['a volume that hangs', [...isOn, volumes('silent', '1x30')], ['MounterVolumesSilent silent']],
  [
    'a mount table that is nearly full',
    [
      ...isOn,
      series('mounter_mount_table_entries', '90000x30'),
      series('mounter_mount_table_max', '100000x30'),
    ],
    ['MounterMountTableFull'],
  ],
];

test.serial('the rules are valid, and each is raised by what it is for, and by nothing else', async (t) => {
  const { promtool } = await ensurePrometheus();
  const { stdout: rules } = await execa(mounterExecutable, ['manifest', 'alerts']);
  writeFileSync(join(scratch, 'rules.yml'), `${rules}\n`);
  const checked = await execa(promtool, ['check', 'rules', 'rules.yml'], { cwd: scratch });
  const [, count] = /SUCCESS: (\d+) rules found/.exec(checked.stdout) ?? [];
  const names = [...rules.matchAll(/- alert: (\w+)$/gm)].map(([, name]) => name);
  t.is(Number(count), names.length);
  const raised = new Set(cases.flatMap(([, , alerts]) => alerts.map((alert) => alert.split(' ')[0])));
  t.deepEqual([...raised].sort(), names.toSorted(), 'each has a case');
  const tests = cases.map(([name, input_series, alerts]) => ({
    name,
    interval: '1m',
    input_series,
    promql_expr_test: [
      {
        expr: 'count by (alertname, type, class, state, method, service) (ALERTS{alertstate="firing"})',
        eval_time: '30m',
        exp_samples: alerts.map((alert) => ({ labels: labelsOf(alert), value: 1 })),
      },
    ],
  }));
  // YAML has JSON in it.
  writeFileSync(
    join(scratch, 'tests.yml'),
    JSON.stringify({ rule_files: ['rules.yml'], evaluation_interval: '1m', tests }),
  );
  const { exitCode, all } = await execa(promtool, ['test', 'rules', 'tests.yml'], {
    cwd: scratch,
    all: true,
    reject: false,
  });
  t.is(exitCode, 0, all);
});

/** `ALERT WORD`: the word is of the one label that the others do not have. */
function labelsOf(alert: string): string {
  const [name = '', word] = alert.split(' ');
  const label =
    {
      MounterTypeLacking: 'type',
      MounterMountsFail: 'class',
      MounterCsiCallsFail: 'method',
      MounterServiceSilent: 'service',
    }[name] ?? 'state';
  return `{alertname="${name}"${word === undefined ? '' : `, ${label}="${word}"`}}`;
}
