import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import test from 'ava';
import { parse } from 'parse5';
import type { Report } from '../../src/report/report.ts';
import { askedUnless, isHurried } from '../support/node/examination.ts';
import { examineIn } from '../support/node/examine.ts';
import {
  fuseMount,
  installedMounter,
  kubeletDirectory,
  mounter,
  mounterHome,
  type ScratchNode,
} from '../support/node/namespace.ts';
import { recordNode } from '../support/node/record-node.ts';

/** `mounter report`: what is in it, what is not, and that nothing keeps it from being written. */

async function reportOf(node: ScratchNode, ...flags: readonly string[]): Promise<Report> {
  const { status, stdout, stderr } = await node.run([mounter, 'report', '--json', ...flags, '-']);
  if (status !== 0 || stderr !== '') throw new Error(`status ${status}: ${stderr}`);
  return JSON.parse(stdout);
}

async function pageOf(node: ScratchNode, ...flags: readonly string[]): Promise<string> {
  const { status, stdout, stderr } = await node.run([mounter, 'report', ...flags, '-']);
  if (status !== 0 || stderr !== '') throw new Error(`status ${status}: ${stderr}`);
  const errors: string[] = [];
  parse(stdout, { onParseError: ({ code, startLine }) => errors.push(`${code} in line ${startLine}`) });
  if (errors.length > 0) throw new Error(errors.join('\n'));
  return stdout;
}

const pv = 'pv-salaries-<script>alert(1)</script>';
const target = `${kubeletDirectory}/pods/5f0c8b9e-1111-2222-3333-444455556666/volumes/${pv.replaceAll('/', '')}`;
const source = 'nfs-hr-7.corp.internal:/export/payroll';
const fail =
  'echo "mount.nfs: access denied by server while mounting $1 for 10.7.0.9" >&2; echo "mount.nfs: user=me,password=hunter2" >&2';

/** What nobody should be told, and what tells whose node it is. */
const secrets = ['hunter1', 'hunter2', 'hunter3', 'hunter4'];
const names = [
  'web7',
  'corp.internal',
  'nfs-hr-7',
  'payroll',
  'salaries',
  '5f0c8b9e',
  '10.7.0.',
  'registry.corp',
  'hr-team',
  '192.0.2.53',
];

const setUp = `hostname web7.corp.internal
  mkdir -p '${target}' ${kubeletDirectory}/pods/second
  cp /usr/bin/perl /run/kubelet
  /run/kubelet -e sleep -- --hostname-override=web7 --token=hunter1 --client-password hunter4 >/dev/null 2>&1 &`;

test.serial(
  'a page and its JSON: all that is known, no secret; and nobody’s name with --anonymous',
  async (t) => {
    await using node = await recordNode({ fail });
    await node.shell(setUp);
    const options = 'vers=4,password=hunter1';
    t.is((await node.mounter('mount', '-t', 'nfs', '-o', options, source, target)).status, 0);
    t.is(
      (
        await node.mounter(
          'mount',
          '-t',
          'nfs',
          '-o',
          'vers=4,password=hunter2',
          'fail:/x',
          `${kubeletDirectory}/pods/second`,
        )
      ).status,
      32,
    );
    await node.mounter('install', 'https://me:hunter3@registry.corp.internal/x.tar?sig=hunter3');
    const own = {
      policy: {
        sources: [{ namespaces: ['hr-team'], server: '*.corp.internal' }],
        options: { forbidden: ['@default', 'password=hunter4'] },
      },
    };
    writeFileSync(node.path(`${mounterHome}/node-settings.json`), JSON.stringify(own));
    await node.shell(`umount '${target}'`);
    const dead = await node.mountGlusterfs('payroll');

    const report = await askedUnless(
      ({ doctor }) => doctor === null || isHurried(doctor),
      () => reportOf(node),
      5,
    );
    const doctor = await examineIn(node);
    t.deepEqual(report.missing, {});
    t.is(report.system?.hostname, 'web7.corp.internal');
    t.is(report.doctor?.node, doctor.verdict.node);
    t.deepEqual(report.doctor?.types, doctor.verdict.types);
    const judged = ({ findings }: { readonly findings: readonly { level: string; check: string }[] }) =>
      findings.map(({ level, check }) => `${level} ${check}`).sort();
    t.deepEqual(report.doctor && judged(report.doctor), judged(doctor));
    t.deepEqual(
      report.status?.volumes.map(({ state, target: on }) => [state, on]),
      [['dead', dead]],
    );
    t.deepEqual(
      report.calls?.shown.map(({ command, errorClass = 'ok' }) => [command, errorClass]).slice(0, 4),
      [
        ['install', 'ok'],
        ['prepare', 'ok'],
        ['mount', 'ok'],
        ['mount', 'access-denied'],
      ],
    );
    t.true((report.calls?.shown[2]?.steps.runHelper ?? 0) > 0);
    t.is(report.versions?.[0]?.state, 'current');
    t.true(report.versions?.[0]?.packages.some((one) => one.startsWith('nfs-common ')));
    t.true(report.changes?.some(({ what }) => what === 'mounter prepare'));
    t.true(report.settings?.settings.some(({ path, isOwn }) => path === 'policy.sources' && isOwn));
    t.true(
      report.system?.kubelets.some(({ arguments: words }) =>
        words.join(' ').includes('--hostname-override=web7'),
      ),
    );

    const page = await pageOf(node);
    for (const text of [
      'access-denied',
      'nfs-hr-7.corp.internal:/export/payroll',
      'is gone, or has lost its servers',
      'runHelper',
      'pv-salaries-&#60;script&#62;',
    ])
      t.true(page.includes(text), text);
    t.false(/<script|<img|<link|<iframe|https?:\/\/(?![^<]*registry)/i.test(page));
    for (const text of [page, JSON.stringify(report)])
      t.deepEqual(
        secrets.filter((secret) => text.includes(secret)),
        [],
      );

    for (const text of [
      await pageOf(node, '--anonymous'),
      JSON.stringify(await reportOf(node, '--anonymous')),
    ]) {
      t.deepEqual(
        [...secrets, ...names].filter((name) => text.toLowerCase().includes(name)),
        [],
      );
      t.regex(text, /server#\d/);
      t.true(text.includes('access-denied'));
    }
    const anonymous = await reportOf(node, '--anonymous');
    const [mounted, failed] = (anonymous.calls?.shown ?? []).filter(({ command }) => command === 'mount');
    const [server] = mounted?.source?.split(':') ?? [];
    t.true(JSON.stringify(anonymous.settings ?? '').includes('policy.sources'));
    t.regex(server ?? '', /^server#\d+$/);
    t.regex(failed?.helperOutput ?? '', /while mounting server#\d+:\/x for address#\d+/);

    t.is((await reportOf(node, '--since', '1m')).calls?.leftOut, 0);
    t.is((await reportOf(node, '--since', '2999-01-01')).calls?.total, 0);
  },
);

const hung = (directory: string, type: string) =>
  `mkdir -p ${directory}; exec 3<>/dev/fuse; ${fuseMount(type, 'srv:gone', directory)}; sleep 1000 >/dev/null 2>&1 &`;

test.serial('FILE is root’s alone and comes at once; what is no regular file is left alone', async (t) => {
  await using node = await recordNode();
  await node.shell(
    'mkdir /run/d; mkfifo /run/fifo; ln -s /run/victim /run/link; echo x >/run/d/r.html.new.4194304; echo old >/run/d/r.html',
  );
  const { status, stdout } = await node.run([mounter, 'report', '/run/d/r.html']);
  t.is(status, 0);
  t.regex(stdout, /^\/run\/d\/r\.html: \d+ kB; read it before you give it away\n$/);
  t.is(statSync(node.path('/run/d/r.html')).mode & 0o777, 0o600);
  t.true(readFileSync(node.path('/run/d/r.html'), 'utf8').startsWith('<!DOCTYPE html>'));
  t.deepEqual(readdirSync(node.path('/run/d')), ['r.html']);
  for (const file of ['/run/fifo', '/run/link', '/run/d', '/dev/null', '/run/none/r.html']) {
    const refused = await node.run([mounter, 'report', file]);
    t.is(refused.status, 1);
    t.regex(
      refused.stderr,
      /^mounter: \S+: .*(no regular file|does not exist)\nhint: .*mounter report /,
      file,
    );
  }
  t.false(existsSync(node.path('/run/victim')));
  const full = await node.run([
    'sh',
    '-c',
    `mkdir /run/full; mount -t tmpfs -o size=4k tmpfs /run/full; ${mounter} report /run/full/r.html; s=$?; ls -A /run/full; exit $s`,
  ]);
  t.is(full.status, 2);
  t.is(full.stdout, '');
  t.regex(full.stderr, /^mounter: \/run\/full\/r\.html: .*\nhint: the disk is full/);
  await node.shell(hung('/run/hung', 'fuse.hung'));
  const silent = await node.run([mounter, 'report', '/run/hung/r.html']);
  t.is(silent.status, 1);
  t.regex(silent.stderr, /^mounter: \/run\/hung\/r\.html: no answer from there within 3 s\n/);
  t.is((await node.run([mounter, 'report', '--since', 'soon', '-'])).status, 1);
  t.regex((await node.run([mounter, 'report'])).stderr, /FILE/);
  const asNobody = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', mounter];
  t.regex((await node.run([...asNobody, 'report', '-'])).stderr, /needs root/);
});

const log = '/var/log/containerized-mounter/mounter.log';
/** How a node is broken, and of the report what cannot be had then. */
const broken: Readonly<Record<string, readonly [script: string, missing: readonly string[]]>> = {
  'nothing is installed': [`${installedMounter} teardown; rm -r ${mounterHome}`, ['settings']],
  'damaged settings': [`echo '{' >${mounterHome}/node-settings.json`, ['settings']],
  'settings that are a directory': [
    `rm ${mounterHome}/rootfs-manifest.json; mkdir ${mounterHome}/rootfs-manifest.json`,
    ['settings'],
  ],
  'a record that hangs, by a symlink, and a volume that does': [
    `${hung(`${kubeletDirectory}/pods/silent`, 'fuse.glusterfs')}
    rm ${log}; ln -s ${kubeletDirectory}/pods/silent/mounter.log ${log}`,
    ['calls'],
  ],
  'a record that is a directory': [`rm ${log}; mkdir ${log}`, ['calls']],
  'a full /run, and a read-only home': ['cat /dev/zero >/run/zero || true; mount -o remount,ro /home', []],
  'a rootfs without files': [`rm -r $(realpath ${mounterHome}/rootfs)/usr`, []],
};

for (const [title, [script, missing]] of Object.entries(broken))
  test.serial(`a node that is broken: ${title}`, async (t) => {
    await using node = await recordNode();
    await node.shell(script);
    const isSlow = (part: string, reason: string) =>
      !missing.includes(part) && reason.startsWith('no answer within ');
    const { report, milliseconds } = await askedUnless(
      (asked) => Object.entries(asked.report.missing).some(([part, reason]) => isSlow(part, reason)),
      async () => {
        const started = Date.now();
        return { report: await reportOf(node), milliseconds: Date.now() - started };
      },
      5,
    );
    t.true(milliseconds < 60_000, 'it waits for nothing');
    t.deepEqual(Object.keys(report.missing).sort(), missing.toSorted(), JSON.stringify(report.missing));
    const page = await pageOf(node);
    for (const reason of missing) t.true(page.includes(`Not known (${reason}): `), reason);
    t.is([...page.matchAll(/<h2 /g)].length, 8);
  });
