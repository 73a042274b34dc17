import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { execa } from 'execa';
import pRetry from 'p-retry';
import { mounterExecutable } from '../../scripts/paths.ts';
import { freePort } from '../support/image/free-port.ts';
import { installedMounter, kubeletDirectory, mounter, type ScratchNode } from '../support/node/namespace.ts';
import { recordNode } from '../support/node/record-node.ts';
import { ensurePrometheus } from '../support/packages/prometheus.ts';

/**
 * The alert rules in Debian's Prometheus, on what a node really writes, by way of Debian's node-exporter. How long something has to be
 * so before it is raised is left out here: test/system/alerts.test.ts has that.
 */

const scratch = mkdtempSync(join(tmpdir(), 'alerts-live-'));
test.after.always(() => rmSync(scratch, { recursive: true, force: true }));

interface Rule {
  readonly name: string;
  readonly query: string;
  readonly health: string;
  readonly lastError?: string;
}

interface Alert {
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

class Prometheus implements AsyncDisposable {
  readonly #children: readonly ReturnType<typeof start>[];
  readonly #url: string;
  readonly directory = join(scratch, 'metrics');

  private constructor(url: string, children: readonly ReturnType<typeof start>[]) {
    this.#url = url;
    this.#children = children;
  }

  static async start(): Promise<Prometheus> {
    const { prometheus, nodeExporter } = await ensurePrometheus();
    const { stdout: rules } = await execa(mounterExecutable, ['manifest', 'alerts']);
    writeFileSync(join(scratch, 'rules.yml'), rules.replaceAll(/^( +for:) .*$/gm, '$1 0s'));
    const [exporter, server] = [`127.0.0.1:${await freePort()}`, `127.0.0.1:${await freePort()}`];
    const global = { scrape_interval: '500ms', scrape_timeout: '500ms', evaluation_interval: '500ms' };
    const scrape_configs = [{ job_name: 'node', static_configs: [{ targets: [exporter] }] }];
    writeFileSync(
      join(scratch, 'prometheus.yml'),
      JSON.stringify({ global, rule_files: ['rules.yml'], scrape_configs }),
    );
    const metrics = join(scratch, 'metrics');
    mkdirSync(metrics);
    const children = [
      start(nodeExporter, [
        '--collector.disable-defaults',
        '--collector.textfile',
        '--log.level=error',
        `--collector.textfile.directory=${metrics}`,
        `--web.listen-address=${exporter}`,
      ]),
      start(prometheus, [
        '--config.file=prometheus.yml',
        '--storage.tsdb.path=data',
        `--web.listen-address=${server}`,
        '--log.level=warn',
      ]),
    ];
    return new Prometheus(`http://${server}/api/v1`, children);
  }

  async ask<T>(path: string): Promise<T> {
    const answer = await fetch(`${this.#url}/${path}`);
    if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
    return ((await answer.json()) as { readonly data: T }).data;
  }

  async rules(): Promise<readonly Rule[]> {
    const { groups } = await this.ask<{ readonly groups: readonly { readonly rules: readonly Rule[] }[] }>(
      'rules',
    );
    return groups.flatMap(({ rules }) => rules);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const child of this.#children) child.kill('SIGKILL');
    await Promise.all(this.#children);
  }
}

function start(program: string, args: readonly string[]) {
  return execa(program, args, { cwd: scratch, stdio: ['ignore', 'ignore', 'inherit'], reject: false });
}

/** Has the node write its metrics, until they raise these alerts and no others. @returns them. */
async function raised(
  t: ExecutionContext,
  both: { readonly prometheus: Prometheus; readonly node: ScratchNode },
  expected: readonly string[],
): Promise<readonly Alert[]> {
  // On a machine with much else to do, the node may say something else once.
  return pRetry(() => raisedOnce(t, both, expected), { retries: 4, minTimeout: 300, factor: 1 });
}

async function raisedOnce(
  t: ExecutionContext,
  { prometheus, node }: { readonly prometheus: Prometheus; readonly node: ScratchNode },
  expected: readonly string[],
): Promise<readonly Alert[]> {
  const { status, stdout } = await node.run([mounter, 'status', '--metrics']);
  t.is(status, 0);
  writeFileSync(join(prometheus.directory, 'mounter.prom'), stdout);
  const [, time] = /^mounter_metrics_timestamp_seconds (\d+)$/m.exec(stdout) ?? [];
  const check = async () => {
    const query = encodeURIComponent(`mounter_metrics_timestamp_seconds == ${time}`);
    const { result } = await prometheus.ask<{ readonly result: readonly unknown[] }>(`query?query=${query}`);
    if (result.length === 0) throw new Error('it has not read the metrics yet');
    const { alerts } = await prometheus.ask<{ readonly alerts: readonly Alert[] }>('alerts');
    const names = alerts.map(({ labels }) =>
      [labels.alertname, labels.type ?? labels.class ?? labels.state ?? labels.service]
        .filter(Boolean)
        .join(' '),
    );
    if (JSON.stringify(names.toSorted()) !== JSON.stringify(expected.toSorted()))
      throw new Error(`raised: ${names.join(', ')}`);
    return alerts;
  };
  return pRetry(check, { retries: 100, minTimeout: 300, factor: 1, maxRetryTime: 60_000 });
}

test.serial('what a node writes raises what is so, and nothing else', async (t) => {
  await using prometheus = await Prometheus.start();
  await using node = await recordNode();
  const both = { prometheus, node };
  const target = `${kubeletDirectory}/pods/v`;
  await node.shell(`mkdir -p ${target}`);
  const failing = () => node.mounter('mount', '-t', 'nfs', '-o', 'vers=4', 'fail:/x', target);
  t.is((await failing()).status, 32);
  const { types } = JSON.parse((await node.run([mounter, 'status', '--json'])).stdout).verdict;
  // What this kernel does not have: it is no fault of the node.
  const lacking = Object.keys(types)
    .filter((type) => types[type] === 'lacking')
    .map((type) => `MounterTypeLacking ${type}`);
  await raised(t, both, lacking);

  for (let count = 0; count < 4; count += 1) await failing();
  await node.mountGlusterfs('gone');
  await node.mustRun('exec', '--', '/usr/sbin/start-statd');
  await node.shell('killall -STOP rpc.statd');
  const alerts = await raised(t, both, [
    ...lacking,
    'MounterMountsFail unknown',
    'MounterServiceSilent rpc.statd',
    'MounterVolumesBroken dead',
  ]);
  for (const { annotations } of alerts)
    for (const text of Object.values(annotations)) t.notRegex(text, /<no value>|\{\{/, text);
  const rules = await prometheus.rules();
  t.deepEqual(
    rules.filter(({ health }) => health !== 'ok'),
    [],
  );
  const names = await prometheus.ask<readonly string[]>('label/__name__/values');
  const used = new Set(rules.flatMap(({ query }) => query.match(/\bmounter_\w+/g) ?? []));
  // The CSI driver writes its own; none runs here.
  t.deepEqual(
    [...used].filter((name) => !names.includes(name)),
    ['mounter_csi_operations_total'],
  );

  await node.shell(
    `killall -KILL rpc.statd rpcbind; umount ${kubeletDirectory}/pods/gone; rm ${installedMounter}`,
  );
  await raised(t, both, ['MounterNotHealthy', 'MounterMountsFail unknown']);
});
