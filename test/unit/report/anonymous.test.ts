import { readFileSync } from 'node:fs';
import test from 'ava';
import fc from 'fast-check';
import { anonymized } from '../../../src/report/anonymous.ts';

const calls = [
  {
    command: 'mount',
    fstype: 'nfs',
    source: 'nfs-hr-7.corp.example:/export/payroll 2026',
    target:
      '/var/lib/kubelet/pods/5f0c8b9e-1111-2222-3333-444455556666/volumes/kubernetes.io~nfs/pv-salaries',
    options: 'vers=4.1,clientaddr=10.7.0.9,sec=krb5',
    msg: 'nfs-hr-7.corp.example does not export /export/payroll 2026 to 10.7.0.9 (uaddr 10.7.0.9.8.1)',
    helperOutput:
      'mount.nfs: access denied by server while mounting nfs-hr-7.corp.example:/export/payroll 2026',
  },
  { command: 'mount', fstype: 'nfs', source: '[fd00:7::9]:/x', target: '/var/lib/kubelet/pods/p', msg: 'x' },
  {
    command: 'mount',
    fstype: 'glusterfs',
    source: 'g1,g2.corp.example:salaries',
    target: '/t',
    msg: 'g1: gone',
  },
  {
    command: 'mount',
    fstype: 'cifs',
    source: '//WIN7/Payroll',
    target: '/t',
    options: 'domain=ACME,vers=3.0',
    msg: '',
  },
  {
    command: 'install',
    arguments: [
      'registry.corp.example:5000/acme/storage-tools:v2',
      '--mirror',
      'docker.io=https://hub.corp.example',
    ],
    msg: 'done',
  },
];
const findings = [
  {
    level: 'failing',
    check: 'volumes',
    subject: '/var/lib/kubelet/plugins/kubernetes.io~nfs/pv-salaries',
    message: 'hangs: g1 does not answer; see WIN7, win7.corp.example. and fd00:7::9: here',
    hint: 'run umount /var/lib/kubelet/pods/x',
  },
  {
    level: 'ok',
    check: 'manifest',
    subject: '/home/kubernetes/containerized_mounter/rootfs-manifest.json',
    message: 'limits.mountSeconds is 110; auth.allow, /proc/12/root and 127.0.0.1 stay',
    hint: 'run mounter install SOURCE again, with fs.mount-max at 100000',
  },
];
const settings = [
  { path: 'policy.sources', value: '[{"server":"*.corp.example","namespaces":["hr-team"]}]', isOwn: true },
];

const secret = [
  'nfs-hr',
  'corp',
  'payroll',
  'salaries',
  '5f0c8b9e',
  '10.7.0',
  'fd00',
  'g1',
  'g2',
  'win7',
  'acme',
  'hub',
  'web7',
  'hr-team',
];

test('no name and no address is left, and what is everybody’s stays', (t) => {
  const report = anonymized({ hostname: 'web7.corp.example', calls, findings, settings }, [
    'web7.corp.example',
  ]);
  const text = JSON.stringify(report).toLowerCase();
  t.deepEqual(
    secret.filter((name) => text.includes(name)),
    [],
    text,
  );
  t.is(report.hostname, 'node#1');
  t.deepEqual(report.findings[1], findings[1]);
  const [call] = report.calls;
  t.regex(call?.source ?? '', /^server#\d+:\/name#\d+\/name#\d+$|^server#\d+:\/export\/name#\d+$/);
  t.regex(call?.target ?? '', /^\/var\/lib\/kubelet\/pods\/name#\d+\/volumes\/kubernetes\.io~nfs\/name#\d+$/);
  t.regex(call?.options ?? '', /^vers=4\.1,clientaddr=address#\d+,sec=krb5$/);
});

test('the same name has the same pseudonym wherever it stands', (t) => {
  const { calls: shown, findings: found } = anonymized({ calls, findings }, []);
  const [, server = '?', , path = '?'] = /^(server#\d+):(\/.*\/)?(.*)$/.exec(shown[0]?.source ?? '') ?? [];
  t.true(shown[0]?.helperOutput?.includes(`mounting ${shown[0]?.source}`), shown[0]?.helperOutput);
  t.true(shown[0]?.msg.startsWith(`${server} does not export`));
  t.true(shown[0]?.msg.includes(path));
  const volume = shown[0]?.target?.split('/').at(-1) ?? '?';
  t.true(found[0]?.subject.endsWith(`/${volume}`));
  const gluster = shown[2]?.source?.split(/[,:]/)[0] ?? '?';
  t.true(found[0]?.message.includes(`hangs: ${gluster} does not`));
});

test('whatever a name is made of, it is not left', (t) => {
  const name = fc.stringMatching(/^[A-Za-z0-9À-ž<>&"'{}$^*()! _-]{4,20}$/).map((text) => `zq${text}7`);
  fc.assert(
    fc.property(name, name, (host, volume) => {
      const source = `${host.replaceAll(' ', '')}.example:/${volume}`;
      const report = anonymized(
        {
          calls: [
            { source, target: `/var/lib/kubelet/pods/${volume}`, msg: `${source}: no such ${volume}!` },
          ],
        },
        [],
      );
      const text = JSON.stringify(report).toLowerCase();
      t.false(text.includes(JSON.stringify(volume).slice(1, -1).toLowerCase()), text);
      t.false(text.includes(JSON.stringify(host.replaceAll(' ', '')).slice(1, -1).toLowerCase()), text);
    }),
    { numRuns: 300 },
  );
});

/** What a field may be by a schema, where that is a choice: `['state', 'dead']`; of a record each of its values. */
function choices(schema: unknown, field = ''): readonly (readonly [field: string, value: string])[] {
  if (typeof schema !== 'object' || schema === null) return [];
  const { enum: values = [], properties = {}, ...rest } = schema as { enum?: unknown[]; properties?: object };
  return [
    ...values.filter((value) => typeof value === 'string').map((value) => [field, value] as const),
    ...Object.entries(properties).flatMap(([name, one]) => choices(one, name)),
    ...Object.entries(rest).flatMap(([key, one]) => choices(one, key === '$defs' ? '' : field)),
  ];
}

test('what programs read as a word of ours stays one, whatever a volume or a server is called', (t) => {
  const words = choices(JSON.parse(readFileSync('docs/json/report.schema.json', 'utf8')));
  t.true(words.length > 50);
  for (const [field, word] of words) {
    const named = {
      source: `${word}:/${word}`,
      target: `/var/lib/kubelet/pods/${word}`,
      msg: `${word} is gone`,
    };
    const own = field === 'types' ? { types: { nfs: word } } : { [field]: word };
    t.like(anonymized({ calls: [named], ...own }, []), own, `${field}: ${word}`);
  }
});

test('a realm of Kerberos is not left, with or without dots', (t) => {
  const msg = 'the KDC does not know host/web7@ACMECORP; WEB7$@ACMECORP; no KDC of the realm ACMECORP';
  t.is(
    anonymized({ msg }, ['web7']).msg,
    'the KDC does not know host/node#1@name#1; node#1$@name#1; no KDC of the realm name#1',
  );
});

test('services of a node and kinds of security are nobody’s names, whatever is called so', (t) => {
  const words = 'has a certificate (security.tls.certificate), and none of a Pod';
  const report = {
    securityServices: ['gssd', 'idmapd', 'tlshd'].map((service) => ({ service })),
    calls: [
      { source: 'files.example:/tlshd', target: '/t/idmapd', options: 'sec=krb5p,xprtsec=mtls' },
      { source: 'gssd:/a', target: '/t/tls', options: 'xprtsec=tls' },
    ],
  };
  const { securityServices, calls, findings } = anonymized({ ...report, findings: [words] }, ['tlshd']);
  t.deepEqual(findings, [words]);
  t.deepEqual(securityServices, report.securityServices);
  t.deepEqual(
    calls.map(({ options }) => options),
    ['sec=krb5p,xprtsec=mtls', 'xprtsec=tls'],
  );
});
