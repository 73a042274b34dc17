import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import test from 'ava';
import { page } from '../support/texts/readme.ts';

const repository = join(import.meta.dirname, '../..');

/** The rooms of src, from the ground up. A file imports from its own room and from those below it. */
const floors = [
  /** The files of src itself: errors, exit codes, texts. main.ts stands on top of all. */
  'src',
  'host',
  'manifest',
  'node',
  'record',
  'rootfs',
  'services',
  'resolver',
  'guard',
  'mount',
  'volumes',
  'prepare',
  'image',
  'kubelet',
  'units',
  'doctor',
  'status',
  'report',
  'node-agent',
  'csi',
  'fleet',
  'commands',
  'front',
];

/** Rooms that the front is made of as well: they know the node by the Host port, and by no module of the runtime. */
const portOnly = ['manifest', 'services', 'resolver', 'mount'];

/** Files of at most so many lines are small: each makes the map of src longer, and says little. */
const smallLines = 40;
const maximumSmallFiles = 59;

const sources: ReadonlyMap<string, string> = new Map(
  readdirSync(join(repository, 'src'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts') && !name.endsWith('.d.ts'))
    .map((name) => [`src/${name}`, readFileSync(join(repository, 'src', name), 'utf8')]),
);

/** File → what it imports: files of src by their path, modules by their name; types too, and what import() loads. */
const imports: ReadonlyMap<string, readonly string[]> = new Map(
  [...sources].map(([file, text]) => [file, importsOf(file, text)]),
);

/** By the one form that `npm run lint` lets imports have. */
function importsOf(file: string, text: string): readonly string[] {
  const declared = [...text.matchAll(/^(?:import|export)\s(?:[^'";]*\sfrom\s)?'([^']+)';$/gm)];
  const loaded = [...text.matchAll(/\bimport\('([^']+)'\)/g)];
  return [...declared, ...loaded].map(([, name = '']) =>
    name.startsWith('.') ? normalize(join(dirname(file), name)) : name,
  );
}

function floorOf(file: string): number {
  const [, room = '', inRoom] = file.split('/');
  if (file === 'src/main.ts') return floors.length;
  const floor = floors.indexOf(inRoom === undefined ? 'src' : room);
  if (floor < 0) throw new Error(`src/${room} stands on no floor: give it one, in the list above`);
  return floor;
}

test('imports are found', (t) => {
  t.true([...imports.values()].flat().length > 1000);
  const missing = [...imports].flatMap(([file, names]) =>
    names
      .filter((name) => name.startsWith('src/') && !sources.has(name) && !name.endsWith('.json'))
      .map((name) => `${file} -> ${name}: there is no such file`),
  );
  t.deepEqual(missing, []);
});

test('imports go downwards only', (t) => {
  const upwards = [...imports].flatMap(([file, names]) =>
    names
      .filter((name) => sources.has(name) && floorOf(name) > floorOf(file))
      .map((name) => `${file} -> ${name}: upwards`),
  );
  t.deepEqual(upwards, []);
});

test('no file imports itself by way of others', (t) => {
  t.deepEqual(circles(), []);
});

/** One line for each circle that a walk through all imports meets. */
function circles(): readonly string[] {
  const found: string[] = [];
  const done = new Set<string>();
  const walk = (file: string, path: readonly string[]): void => {
    const at = path.indexOf(file);
    if (at >= 0) found.push(`${[...path.slice(at), file].join(' -> ')}: a circle`);
    if (at >= 0 || done.has(file)) return;
    for (const name of imports.get(file) ?? []) walk(name, [...path, file]);
    done.add(file);
  };
  for (const file of imports.keys()) walk(file, []);
  return found;
}

test('the linter knows the same floors', (t) => {
  const rules = readFileSync(join(repository, 'scripts/floors.grit'), 'utf8').replaceAll(/\s+/g, ' ');
  for (const [floor, room] of floors.entries()) {
    const above = floors.slice(floor + 1).join('|');
    if (room === 'src' || above === '') continue;
    t.true(rules.includes(`$filename <: r".*/src/${room}/.*", $source <: r".*/(?:${above})/.*"`), room);
  }
});

test('the map of src has each room, in this order', (t) => {
  const map = [...page('docs/architecture.md').matchAll(/^src\/([a-z-]+)\/ /gm)].map(([, room = '']) => room);
  t.deepEqual(map, floors.slice(1).toReversed());
});

test('libc is opened in one place', (t) => {
  const opening = [...sources].filter(([, text]) => /\bdlopen\(/.test(text)).map(([file]) => file);
  t.deepEqual(opening, ['src/host/libc.ts']);
});

test('what the front shares knows the node by the Host port alone', (t) => {
  const found = [...imports].flatMap(([file, names]) =>
    names
      .filter((name) => portOnly.includes(file.split('/')[1] ?? '') && /^(node|bun):|^execa$/.test(name))
      .map((name) => `${file} -> ${name}: by the Host port (src/host/host.ts) instead`),
  );
  t.deepEqual(found, []);
});

test(`at most ${maximumSmallFiles} files have ${smallLines} lines or fewer`, (t) => {
  const lines = [...sources].map(([file, text]) => ({ file, lines: text.split('\n').length - 1 }));
  const small = lines.filter((one) => one.lines <= smallLines).sort((a, b) => a.lines - b.lines);
  const smallest = small.slice(0, 10).map(({ file }) => file);
  t.true(
    small.length <= maximumSmallFiles,
    `there are ${small.length}: put one into the file that uses it, such as ${smallest.join(', ')}`,
  );
});
