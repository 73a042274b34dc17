import { createHash } from 'node:crypto';
import test from 'ava';
import { type DefaultTreeAdapterTypes, parse } from 'parse5';
import type { RecordedCall } from '../../../src/record/parse.ts';
import { noTotals } from '../../../src/record/totals.ts';
import { callsReport } from '../../../src/report/calls.ts';
import { withoutSecrets } from '../../../src/report/masked.ts';
import { page } from '../../../src/report/page.ts';
import type { Report } from '../../../src/report/report.ts';
import { style } from '../../../src/report/style.ts';

const evil = `</style></title><script>alert(1)</script><img src=x onerror="alert(1)">"'\`&lt;\u202e\u0000\n-->`;

/** A report in which each text of others is `text`. */
function reportOf(text: string, calls: readonly RecordedCall[]): Report {
  const finding = { check: 'volumes', subject: text, message: text, hint: text };
  const verdict = { node: 'failing', types: { nfs: 'failing', glusterfs: 'ready' } } as const;
  const volume = {
    source: text,
    target: text,
    fstype: text,
    entries: 1,
    daemon: null,
    granted: null,
    readAheadKib: null,
    lessThanAsked: [],
    state: 'dead',
  } as const;
  return withoutSecrets<Report>({
    writtenAt: '2026-01-31T12:00:00.000Z',
    mounter: '1',
    isAnonymous: false,
    since: null,
    system: {
      ...{
        hostname: text,
        kernel: text,
        operatingSystem: text,
        architecture: 'amd64',
        bootedAt: text,
        processors: 1,
      },
      loadAverages: [1],
      memoryBytes: { total: 1, free: 1 },
      kubelets: [{ pid: 1, version: text, arguments: [text] }],
    },
    doctor: {
      ...verdict,
      findings: [
        { level: 'failing', ...finding },
        { level: 'ok', ...finding },
      ],
      leftOut: 7,
    },
    status: {
      ...{
        home: text,
        executable: text,
        digest: text,
        reference: text,
        versions: [text],
        isEnabled: true,
        offBy: text,
      },
      ...{
        isPrepared: true,
        verdict,
        failing: [],
        enter: null,
        mounts: [],
        lockServices: null,
        securityServices: null,
        volumesLeftOut: 0,
      },
      volumes: [volume],
    },
    versions: [
      {
        ...{
          digest: text,
          state: 'current',
          reference: text,
          installedAt: text,
          bytes: 1,
          mounts: 1,
          packages: [text],
        },
        processes: [{ pid: 1, program: text }],
      },
    ],
    calls: callsReport({ totals: noTotals, unreadBytes: 0, calls }, 0),
    changes: [{ time: text, what: text, result: text, arguments: [text] }],
    settings: { settings: [{ path: text, value: text, isOwn: true }], leftOut: 0 },
    missing: { versions: text },
  });
}

const callOf = (text: string): RecordedCall => ({
  ...{
    command: text,
    fstype: text,
    source: text,
    target: text,
    options: text,
    arguments: [text],
    subject: text,
  },
  ...{
    hint: text,
    helperOutput: text,
    msg: text,
    errorClass: 'unknown',
    status: 32,
    totalMs: 1,
    timeMs: 1,
    pid: 1,
  },
  steps: { [text]: 1 },
});

type Element = DefaultTreeAdapterTypes.Element;

function elementsOf(node: DefaultTreeAdapterTypes.ParentNode): readonly Element[] {
  return node.childNodes.flatMap((child) =>
    'childNodes' in child ? [child as Element, ...elementsOf(child)] : [],
  );
}

const attribute = (element: Element | undefined, name: string) =>
  element?.attrs.find((one) => one.name === name)?.value;

function parsed(text: string) {
  const errors: string[] = [];
  const document = parse(text, {
    onParseError: ({ code, startLine }) => errors.push(`${code} in line ${startLine}`),
  });
  const elements = elementsOf(document);
  return { errors, elements, named: (name: string) => elements.filter(({ tagName }) => tagName === name) };
}

const known =
  `html head meta title style body header main section nav h1 h2 h3 p a strong span br ul li details summary pre div table
caption thead tbody tr th td svg g rect`.split(/\s+/);

test('whatever is in a text, it is text: nothing of it is markup', (t) => {
  const plain = parsed(page(reportOf('x', [callOf('x')])));
  const { errors, elements, named } = parsed(page(reportOf(evil, [callOf(evil)])));
  t.deepEqual(errors, []);
  t.deepEqual(
    elements.map(({ tagName }) => tagName),
    plain.elements.map(({ tagName }) => tagName),
  );
  t.deepEqual(
    elements.map(({ tagName }) => tagName).filter((name) => !known.includes(name) && name !== 'title'),
    [],
  );
  const names = new Set(elements.flatMap(({ attrs }) => attrs.map(({ name }) => name)));
  t.deepEqual(
    [...names].filter((name) => /^on|^src$|^style$|^action$/.test(name)),
    [],
  );
  t.true(named('a').every((link) => attribute(link, 'href')?.startsWith('#')));
});

test('nothing is run or fetched: the policy allows the one style sheet, by its digest', (t) => {
  const { named } = parsed(page(reportOf('x', [])));
  const policy = named('meta').find((meta) => attribute(meta, 'http-equiv') === 'Content-Security-Policy');
  const [style] = named('style');
  const [text] = style?.childNodes ?? [];
  const css = text !== undefined && 'value' in text ? text.value : '';
  const digest = createHash('sha256').update(css).digest('base64');
  t.is(
    attribute(policy, 'content'),
    `default-src 'none'; style-src 'sha256-${digest}'; base-uri 'none'; form-action 'none'`,
  );
  t.notRegex(css, /url\(|@import/);
});

test('who hears the page has its headings, the names of its tables and of their columns, and of its picture', (t) => {
  const { named, elements } = parsed(page(reportOf('x', [callOf('x')])));
  t.deepEqual(named('h1').length === 1 && named('html').map((html) => attribute(html, 'lang')), ['en']);
  const levels = elements.flatMap(({ tagName }) => (/^h[1-6]$/.test(tagName) ? [Number(tagName[1])] : []));
  t.true(
    levels.every((level, index) => index === 0 || level <= (levels[index - 1] ?? 0) + 1),
    levels.join(' '),
  );
  t.true(named('th').every((th) => ['col', 'row'].includes(attribute(th, 'scope') ?? '')));
  t.is(named('table').length, named('caption').length);
  t.true(named('svg').every((svg) => attribute(svg, 'aria-label') || attribute(svg, 'aria-hidden')));
  const ids = elements.flatMap((element) => attribute(element, 'id') ?? []);
  t.is(new Set(ids).size, ids.length);
  t.deepEqual(
    named('a')
      .map((link) => attribute(link, 'href')?.slice(1))
      .sort(),
    ids.toSorted(),
  );
});

test('the verdict has beside it what ails the volumes that there are, and is green for nothing but a whole node', (t) => {
  const report = reportOf('x', [callOf('x')]);
  const shown = /<p class="verdict (\w+)">(.*)<\/p>/;
  const [, failing, text] = shown.exec(page(report)) ?? [];
  t.is(failing, 'failing');
  t.regex(
    text ?? '',
    /^<strong>.*<br>Volumes that do not work: 1 dead\.<br>1 of 1 calls failed, .*: unknown\.$/,
  );

  const ready = { node: 'ready', types: { nfs: 'ready' } } as const;
  const whole = { ...report, doctor: { ...ready, findings: [], leftOut: 0 } };
  t.is(shown.exec(page(whole))?.[1], 'partly');
  const volumes = report.status?.volumes.map((volume) => ({ ...volume, state: 'alive' as const })) ?? [];
  const healthy = { ...whole, status: report.status && { ...report.status, volumes }, calls: null };
  t.is(
    shown.exec(page(healthy))?.[0],
    '<p class="verdict ready"><strong>Mounts would work.</strong> <span class="state good">nfs: ready</span></p>',
  );
  const lacking = { ...healthy.doctor, types: { nfs: 'lacking', glusterfs: 'ready' } as const };
  t.is(shown.exec(page({ ...healthy, doctor: lacking }))?.[1], 'partly');
});

test('a name of thousands of letters is shown by its ends; digests and lists are shown whole', (t) => {
  const name = `${'a'.repeat(2000)}${'z'.repeat(2000)}`;
  const text = page(reportOf(name, []));
  t.false(text.includes('a'.repeat(300)));
  t.true(text.includes(`${'a'.repeat(200)}…${'z'.repeat(100)}`));
  const list = Array.from({ length: 100 }, (_, index) => `gate-${index}=true`).join(',');
  t.true(page(reportOf(list, [])).includes(list));
});

test('a part that cannot be had says why, and the others are there', (t) => {
  const report = reportOf('x', [callOf('x')]);
  const nothing: Report = {
    ...report,
    ...{
      system: null,
      doctor: null,
      status: null,
      versions: null,
      calls: null,
      changes: null,
      settings: null,
    },
    missing: Object.fromEntries(
      ['system', 'doctor', 'status', 'versions', 'calls', 'changes', 'settings'].map((name) => [
        name,
        `${name} is gone`,
      ]),
    ),
  };
  const text = page(nothing);
  t.is(parsed(text).named('h2').length, parsed(page(report)).named('h2').length);
  for (const name of Object.keys(nothing.missing)) t.true(text.includes(`(${name}): ${name} is gone`), name);
});

test('10,000 calls make no long page, nor do hostile ones', (t) => {
  const usual = (index: number): RecordedCall => ({
    ...callOf(`10.0.0.${index}:/export/volume-${index}`),
    steps: { checkTarget: 1, runHelper: 20, attach: 2 },
    command: 'mount',
  });
  const calls = Array.from({ length: 10_000 }, (_, index) => usual(index));
  t.true(page(reportOf('x', calls)).length < 600_000);
  const worst = Array.from({ length: 300 }, () => callOf('<'.repeat(10_000)));
  t.true(page(reportOf('x', worst)).length < 8_000_000);
});

const secrets: readonly (readonly [text: string, shown: string])[] = [
  ['user=me,password=hunter2,vers=3', 'user=me,password=<masked>,vers=3'],
  [
    'see https://me:hunter2@host.example/x?sig=hunter2 there',
    'see https://<masked>@host.example/x?<masked> there',
  ],
  ['failed: Authorization: Bearer hunter2hunter2', 'failed: Authorization:<masked>'],
  ['mount.cifs said: --password=hunter2', 'mount.cifs said: --password=<masked>'],
  [
    'run gluster volume reset v1 auth.reject, or take --verify-key FILE',
    'run gluster volume reset v1 auth.reject, or take --verify-key FILE',
  ],
  ['keys/hint: the token is read from FILE', 'keys/hint: the token is read from FILE'],
];

for (const [text, shown] of secrets)
  test(`secrets in a sentence: ${text}`, (t) => {
    t.is(withoutSecrets({ message: text }).message, shown);
  });

const tones = ['text', 'faint', 'good', 'bad', 'warn', 'link'];

/** @see https://www.w3.org/TR/WCAG21/#dfn-contrast-ratio */
function contrast(a: string, b: string): number {
  const luminance = (colour: string) => {
    const digits = colour.length === 4 ? colour.replace(/[^#]/g, '$&$&') : colour;
    const [red = 0, green = 0, blue = 0] = [1, 3, 5].map((at) => {
      const share = Number.parseInt(digits.slice(at, at + 2), 16) / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const [dark = 0, light = 0] = [luminance(a), luminance(b)].sort((x, y) => x - y);
  return (light + 0.05) / (dark + 0.05);
}

test('every text can be read: in the light, in the dark and on paper', (t) => {
  const schemes = [...style.matchAll(/:root \{([^}]*)\}/g)].map(
    ([, text = '']) =>
      new Map([...text.matchAll(/--([a-z-]+): (#\w+)/g)].map(([, name = '', of = '']) => [name, of])),
  );
  t.is(schemes.length, 3);
  for (const scheme of schemes)
    for (const tone of tones)
      for (const ground of ['page', 'box'])
        t.true(contrast(scheme.get(tone) ?? '', scheme.get(ground) ?? '') >= 4.5, `${tone} on ${ground}`);
});
