import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { toJsonSchema } from '@valibot/to-json-schema';
import test from 'ava';
import { commandTable } from '../../scripts/command-table.ts';
import { commands } from '../../src/commands/table.ts';
import { errorClasses } from '../../src/errors.ts';
import { exitCode } from '../../src/exit-codes.ts';
import { manifestSchema } from '../../src/manifest/manifest.ts';
import { mountMetrics } from '../../src/record/mount-metrics.ts';
import { noTotals } from '../../src/record/totals.ts';
import { nodeGauges } from '../../src/status/metrics.ts';
import { namesIn, page, pages, places, section, sections } from '../support/texts/readme.ts';

const commandNames = commands.map(({ name }) => name);

/** README.md and docs are complete; their commands are run by test/system/readme.test.ts and test/systemd/readme.test.ts. */

test('every command shown has a place where a test runs it', (t) => {
  const withCommands = sections.filter(({ commands }) => commands.length > 0);
  t.deepEqual(withCommands.map(({ heading }) => heading).sort(), Object.values(places).flat().sort());
});

test('the newcomer comes first: two commands', (t) => {
  const [first] = sections.flatMap(({ commands }) => commands);
  t.is(first, 'npm ci && npm run demo');
});

test('every command of the executable is in the table, and nothing else', (t) => {
  const shown = section('Commands').rows.flatMap(([cell = '']) => namesIn(cell));
  const words = shown.filter((name) => name.startsWith('mounter ')).map((name) => name.split(' ')[1]);
  t.deepEqual([...new Set(words)].sort(), commandNames.toSorted());
});

test('the table of commands is the one that their definitions make', (t) => {
  const [, shown] = /^# Commands\n[^|]*((?:\|.*\n)+)/m.exec(page('docs/commands.md')) ?? [];
  t.is(shown, commandTable(commands));
});

test('commands named in the text are commands, and scripts are scripts', (t) => {
  const { scripts } = JSON.parse(readFileSync('package.json', 'utf8'));
  const texts = [...pages.values()].join('\n');
  for (const [, word = ''] of texts.matchAll(/`mounter ([a-z-]+)/g))
    t.true(commandNames.includes(word), `mounter ${word}`);
  for (const [, word = ''] of texts.matchAll(/npm run ([a-z:]+)/g)) t.true(word in scripts, word);
});

test('what has to pass is run by .ci/run', (t) => {
  const run = readFileSync('.ci/run', 'utf8');
  for (const script of ['npm run --silent lint', 'npm run --silent typecheck', 'npm test'])
    t.true(run.includes(script), script);
});

test('every exit status is in the table, and nothing else', (t) => {
  const shown = section('Exit statuses').rows.map(([status]) => Number(status));
  t.deepEqual(shown, Object.values(exitCode));
});

test('every class of failure is in the table, in the order of the code', (t) => {
  const shown = section('When it does not mount').rows.flatMap(([cell = '']) => namesIn(cell));
  t.deepEqual(shown, [...errorClasses]);
});

test('every metric is in the table, and nothing else', (t) => {
  const shown = section('Metrics').rows.flatMap(([cell = '']) => namesIn(cell));
  const ofNode = Object.values(nodeGauges).map(([name]) => name);
  const ofMounts = mountMetrics(noTotals).map(({ name }) => name);
  t.deepEqual(shown.map((name) => name.replace(/\{.*/, '')).sort(), [...ofNode, ...ofMounts].sort());
});

interface Schema {
  readonly default?: unknown;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: Schema | boolean;
  readonly items?: Schema;
  readonly anyOf?: readonly Schema[];
}

interface Setting {
  /** As the page writes it: `mounts.*[].host`, `filesystems.TYPE.helper`. */
  readonly name: string;
  readonly default: unknown;
}

/** What is the image's own is for the build, and no setting of a node. */
const imageSections = ['$schema', 'formatVersion', 'rootfs'];

function settings(): readonly Setting[] {
  const schema = toJsonSchema(manifestSchema, { errorMode: 'ignore' }) as Schema;
  const shipped = JSON.parse(readFileSync('rootfs-manifest.json', 'utf8'));
  const all = Object.entries(schema.properties ?? {})
    .filter(([name]) => !imageSections.includes(name))
    .flatMap(([name, one]) => settingsOf(name, one, shipped[name]));
  return [...new Map(all.map((setting) => [setting.name, setting])).values()];
}

function settingsOf(path: string, schema: Schema, shipped: unknown): readonly Setting[] {
  const { properties, additionalProperties, items, anyOf } = schema;
  const own = (name: string): unknown => (shipped as Readonly<Record<string, unknown>> | undefined)?.[name];
  if (properties !== undefined && !/^policy\.options\.[a-z]+$/.test(path))
    return Object.entries(properties).flatMap(([name, one]) => settingsOf(`${path}.${name}`, one, own(name)));
  if (typeof additionalProperties === 'object')
    return settingsOf(`${path}.TYPE`, additionalProperties, undefined);
  const setting = {
    name: path.replace(/^mounts\.\w+\[\]/, 'mounts.*[]'),
    default: schema.default ?? shipped,
  };
  // One that may be null is a setting itself.
  const [object] = anyOf?.filter((one) => one.properties !== undefined) ?? [];
  if (object !== undefined) return [setting, ...settingsOf(path, object, undefined)];
  if (items?.properties === undefined) return [setting];
  return [setting, ...settingsOf(`${path}[]`, items, undefined)];
}

test('every setting that a node goes by is in the table, and nothing else', (t) => {
  const shown = section('Settings').rows.flatMap(([cell = '']) => namesIn(cell));
  t.deepEqual(
    [...shown].sort(),
    settings()
      .map(({ name }) => name)
      .sort(),
  );
});

for (const setting of settings()) {
  const { name } = setting;
  if (!['string', 'number', 'boolean'].includes(typeof setting.default)) continue;
  test(`the default of ${name} is as the page says`, (t) => {
    const row = section('Settings').rows.find(([cell = '']) => namesIn(cell).includes(name));
    t.true(namesIn(row?.[1] ?? '').includes(String(setting.default)), row?.[1]);
  });
}

/** As GitHub makes it of a heading. */
function anchorOf(heading: string): string {
  const kept = heading.toLowerCase().replace(/[^\p{L}\p{N} _-]/gu, '');
  return kept.replaceAll(' ', '-');
}

/** The links that lead nowhere; those to other sites are not followed. */
function brokenLinks(file: string, text: string): readonly string[] {
  const prose = text.replace(/^```[\s\S]*?^```$/gm, '');
  const links = [...prose.matchAll(/(?:\]\(|(?:href|src|srcset)=")([^)\s"]+)/g)].map(([, link = '']) => link);
  return links.filter((link) => {
    if (link.startsWith('https://')) return false;
    const [path = '', anchor] = link.split('#');
    const target = path === '' ? file : normalize(join(dirname(file), path));
    if (anchor === undefined) return !existsSync(target);
    const headings = [...(pages.get(target) ?? '').matchAll(/^#+ (.*)/gm)];
    return !headings.some(([, heading = '']) => anchorOf(heading) === anchor);
  });
}

for (const [file, text] of pages)
  test(`every link of ${file} leads somewhere`, (t) => {
    t.deepEqual(brokenLinks(file, text), []);
  });

test('README has at most 200 lines', (t) => {
  t.true(page('README.md').trimEnd().split('\n').length <= 200);
});

test('README leads to every page', (t) => {
  for (const file of pages.keys())
    t.true(file === 'README.md' || page('README.md').includes(`](${file}`), file);
});
