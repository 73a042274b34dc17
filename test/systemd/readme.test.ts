import { existsSync, mkdirSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import { execa } from 'execa';
import { readMountsFrom } from '../support/guest/mountinfo.ts';
import { home } from '../support/guest/node.ts';
import { run, startServers, systemctl } from '../support/systemd/node.ts';
import { isAssignment, places, section, substitute } from '../support/texts/readme.ts';

/** The commands of README and docs for a node with systemd, word for word but for the servers that they name. */

test.before(async () => {
  // What the boots before have left.
  await systemctl('disable', '--now', 'kubelet.service').catch(() => undefined);
  await run('rm', '-rf', home);
  await startServers();
  mkdirSync('/var/lib/prometheus/node-exporter', { recursive: true });
});

/** Longer names first. */
const substitutions = {
  'nfs.example:/export': '10.9.0.1:/srv/vol1',
  'nfs.example': '10.9.0.1',
  'gluster.example:volume': '10.77.0.1:v1',
};

const assignments: string[] = [];

/** Where the three files of the build were copied to. @returns stdout of each command. */
async function runAll(t: ExecutionContext, heading: string): Promise<ReadonlyMap<string, string>> {
  const outputs = new Map<string, string>();
  for (const command of section(heading).commands) {
    const real = substitute(command, substitutions);
    t.notRegex(real, /\.example|DIGEST/, 'every place that a reader has to fill in is filled in');
    if (isAssignment(real)) assignments.push(real);
    const ran = await execa('bash', ['-euo', 'pipefail', '-c', [...assignments, real].join('\n')], {
      cwd: '/host/dist',
      stdin: 'ignore',
      reject: false,
      timeout: 600_000,
    });
    if (ran.exitCode !== 0) throw new Error(`${ran.exitCode} of: ${command}\n${ran.stdout}${ran.stderr}`);
    outputs.set(command, ran.stdout);
  }
  return outputs;
}

const [oneNode = '', helpers = '', off = '', troubleshooting = '', removal = ''] = places.guest;

test.serial('on one node: installed, prepared, mounted, unmounted', async (t) => {
  t.timeout(900_000);
  const outputs = await runAll(t, oneNode);
  await runAll(t, helpers);
  await runAll(t, off);
  const status = outputs.get('mounter status') ?? '';
  t.regex(status, /^alive +10\.9\.0\.1:\/srv\/vol1 +nfs4 +\d +- +\/var\/lib\/kubelet\/test$/m);
  t.deepEqual(
    (await readMountsFrom('/var/lib/kubelet')).map(({ mountPoint }) => mountPoint),
    [],
    'what was mounted is unmounted',
  );
});

test.serial('when it does not mount: found out', async (t) => {
  t.timeout(900_000);
  const failed = ['mount', '-t', 'nfs', '-o', 'nfsvers=4.2', '10.9.0.1:/nosuch', '/var/lib/kubelet/test'];
  t.is((await execa(`${home}/mounter`, failed, { reject: false })).exitCode, 32);
  const outputs = await runAll(t, troubleshooting);
  t.regex(outputs.get('mounter log --failures') ?? '', /no-such-export[^\n]*\n( +.*\n)+ +hint: /);
  t.regex(outputs.get('mounter exec -- showmount -e nfs.example') ?? '', /^\/srv\/vol1 +\*$/m);
  const file = '/var/lib/prometheus/node-exporter/mounter.prom';
  // The timer has just been started.
  for (let tries = 0; tries < 300 && !existsSync(file); tries += 1) await setTimeout(100);
  const metrics = await run('cat', file);
  t.regex(metrics, /^mounter_healthy 1$/m);
  t.regex(metrics, /class="no-such-export"[^\n]*\} 1$/m);
});

test.serial('remove it: nothing is left', async (t) => {
  await runAll(t, removal);
  const { stdout } = await execa('systemctl', ['is-active', 'containerized-mounter-metrics.timer'], {
    reject: false,
  });
  t.is(stdout, 'inactive');
  const left = await run(
    ...(['find', '/home/kubernetes', '/usr/sbin', '/etc/systemd/system', '/run/systemd/system'] as const),
    ...['(', '-name', 'mount.nfs*', '-o', '-name', '*containerized*mounter*', ')'],
  );
  t.is(left, '');
  t.deepEqual(
    (await readMountsFrom('/')).filter(({ mountPoint }) => mountPoint.includes('kube')),
    [],
  );
});
