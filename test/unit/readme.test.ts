import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import test from 'ava';
import { derivedFiles } from '../../scripts/docs/derived.ts';
import { tableNames, tablesOf } from '../../scripts/docs/tables.ts';
import { parseFlags } from '../../src/commands/flags.ts';
import { commands } from '../../src/commands/table.ts';
import { MounterError } from '../../src/errors.ts';
import { effectiveManifest } from '../../src/manifest/node-settings.ts';
import { shippedText } from '../../src/manifest/shipped.ts';
import { parseMountArguments } from '../../src/mount/arguments/argv.ts';
import { page, pages, places, section, sections } from '../support/texts/readme.ts';

/** README.md and docs are complete; their commands are run by test/system/readme.test.ts and test/systemd/readme.test.ts. */

test('every command shown has a place where a test runs it', (t) => {
  const withCommands = sections.filter(({ commands }) => commands.length > 0);
  const headings = Object.values(places).flat();
  t.deepEqual(withCommands.map(({ heading }) => heading).sort(), headings.toSorted());
  for (const heading of headings) t.notThrows(() => section(heading), 'a heading of its own');
});

test('the newcomer comes first: two commands', (t) => {
  const [first] = sections.flatMap(({ commands }) => commands);
  t.is(first, 'npm ci && npm run demo');
});

for (const [file, text] of await derivedFiles())
  test(`what ${file} has of the code's facts is as the code has it: npm run docs`, (t) => {
    t.is(readFileSync(file, 'utf8'), text);
  });

test('every table that is made from the code has a page', (t) => {
  t.deepEqual([...pages.values()].flatMap(tablesOf).sort(), tableNames.toSorted());
});

test('no cell of a table is empty but those of commands and mounts', (t) => {
  const empty = sections
    .filter(({ heading }) => heading !== 'Commands')
    .flatMap(({ rows }) => rows.filter((cells) => cells.some((cell) => cell === '')));
  t.deepEqual(
    empty
      .map(([name = '']) => name)
      .filter((name) => !/^`(mounts\.\*|policy\.images\[\]\.prefix)/.test(name)),
    [],
  );
});

/** What the executable's own parser says of a command line that a text names; operands may be left out there. */
function objectionTo(line: string): string | undefined {
  const [, ...words] = line
    .replace(/ [|>].*/, '')
    .split(' ')
    .filter((word) => word !== '…');
  const command = commands.find(({ name }) => name === words[0]);
  const one = command?.subcommands?.find(({ name }) => name === `${words[0]} ${words[1]}`) ?? command;
  if (one === undefined) return 'no such command';
  const argv = words.slice(one.name.split(' ').length);
  try {
    if (one.name !== 'mount') parseFlags(one, argv);
    else if (argv.length > 0) parseMountArguments(argv);
    return undefined;
  } catch (error) {
    if (!(error instanceof MounterError)) throw error;
    return error.message.endsWith(' is missing') ? undefined : error.message;
  }
}

test('the parser takes the commands that the text names', (t) => {
  const named = [...pages].flatMap(([file, text]) =>
    [...text.matchAll(/`(mounter [^`]+)`/g)].map(([, line = '']) => ({
      file,
      line: line.replace(/\s+/g, ' '),
    })),
  );
  const wrong = named
    .filter(({ line }) => !/[[\]]|\\\||OPTION…/.test(line))
    .flatMap(({ file, line }) => {
      const objection = objectionTo(line);
      return objection === undefined ? [] : `${file}: ${line}: ${objection}`;
    });
  t.true(named.length > 50);
  t.deepEqual(wrong, []);
});

test('scripts that the text names are scripts', (t) => {
  const { scripts } = JSON.parse(readFileSync('package.json', 'utf8'));
  const texts = [...pages.values()].join('\n');
  const named = [...texts.matchAll(/npm run ([a-z]+(?::[a-z]+)?)/g)].map(([, word = '']) => word);
  t.deepEqual(
    named.filter((word) => !(word in scripts)),
    [],
  );
});

/** What stands in code quotes anywhere in the pages, on one line each, and matches. */
function quotedTexts(pattern: RegExp): readonly string[] {
  const texts = [...pages.values()].flatMap((text) => [...text.replace(fenced, '').matchAll(/`([^`]+)`/g)]);
  return texts.map(([, text = '']) => text.replace(/\s+/g, ' ')).filter((text) => pattern.test(text));
}

test('files of the repository that the text names are there', (t) => {
  const named = quotedTexts(/^(src|test|scripts|docs|\.ci)\//);
  t.true(named.length > 15);
  t.deepEqual(
    named.filter((path) => !existsSync(path)),
    [],
  );
});

test('examples of settings are settings', (t) => {
  const shipped = { path: 'rootfs-manifest.json', text: shippedText };
  const sectionNames = Object.keys(JSON.parse(shippedText)).concat('policy', 'resolver', 'log', 'enabled');
  const examples = quotedTexts(/^\{"/).filter((text) =>
    sectionNames.includes(Object.keys(JSON.parse(text))[0] ?? ''),
  );
  t.true(examples.length > 2);
  for (const text of examples) t.notThrows(() => effectiveManifest(shipped, { path: 'example', text }), text);
});

test('what has to pass is run by .ci/run', (t) => {
  const run = readFileSync('.ci/run', 'utf8');
  for (const script of ['npm run --silent lint', 'npm run --silent typecheck', 'npm test'])
    t.true(run.includes(script), script);
});

const fenced = /^```[\s\S]*?^```$/gm;

/** As GitHub makes it of a heading. */
function anchorOf(heading: string): string {
  const kept = heading.toLowerCase().replace(/[^\p{L}\p{N} _-]/gu, '');
  return kept.replaceAll(' ', '-');
}

/** The pages of other sites that ours lead to. No test follows them: when one is added, or changed, try all by hand. */
const otherSites = [
  'https://github.com/kubernetes-csi/csi-driver-nfs',
  'https://github.com/kubernetes/kubernetes/tree/v1.24.0/cluster/gce/gci/mounter',
  'https://www.freedesktop.org/software/systemd/man/latest/systemd-sysext.html',
];

function linksOf(text: string): readonly string[] {
  const prose = text.replace(fenced, '');
  return [...prose.matchAll(/(?:\]\(|(?:href|src|srcset)=")([^)\s"]+)/g)].map(([, link = '']) => link);
}

test('the pages lead to these other sites, and by links alone', (t) => {
  const texts = [...pages.values()];
  const led = new Set(texts.flatMap(linksOf).filter((link) => /^\w+:/.test(link)));
  t.deepEqual([...led].sort(), otherSites);
  // Such as <https://…>, [name]: https://… and an address in a sentence: none of them is looked at here.
  const elsewhere = texts.flatMap(
    (text) => text.replace(fenced, '').match(/(?<!\]\()\bhttps?:\/\/\S+/g) ?? [],
  );
  t.deepEqual(
    elsewhere.filter((address) => !/^https:\/\/[\w.-]+\.example\b/.test(address)),
    [],
  );
});

/** The links that lead nowhere. */
function brokenLinks(file: string, text: string): readonly string[] {
  return linksOf(text).filter((link) => {
    if (otherSites.includes(link)) return false;
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
