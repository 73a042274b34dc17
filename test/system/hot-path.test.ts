import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { stripTypeScriptTypes } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join, relative, resolve } from 'node:path';
import test from 'ava';
import { execa } from 'execa';
import { inPrivateNamespace } from '../../scripts/bench/namespace.ts';
import { compilePrograms } from '../../scripts/bench/programs.ts';
import { repository } from '../../scripts/paths.ts';
import type { ModulesOfMounts } from '../fixtures/mount-under-node.ts';

/** Every mount pays for what the plain success path loads; these cost more than the mount itself. */
const heavyPackages = ['execa', 'p-retry', 'pino', 'valibot'];

/** The npm package that a path or URL lies in, e.g. 'pino' of `node_modules/pino/lib/tools.js`. */
function packageOf(path: string): string | undefined {
  return /^.*node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path)?.[1];
}

function heavyOnesOf(paths: readonly string[]): readonly string[] {
  return heavyPackages.filter((name) => paths.some((path) => packageOf(path) === name));
}

interface Chunk {
  readonly inputs: { readonly [path: string]: unknown };
  readonly imports: readonly { readonly path: string; readonly kind: string }[];
  readonly entryPoint?: string;
}

/** The chunks that bun makes of src/main.ts, by name: the same modules as in the executable. */
async function bundleMain(): Promise<ReadonlyMap<string, Chunk>> {
  const directory = await mkdtemp(join(tmpdir(), 'hot-path-'));
  try {
    const output = ['--outdir', directory, `--metafile=${directory}/meta.json`];
    const bun = join(repository, 'node_modules/.bin/bun');
    const how = ['--target=bun', '--minify', '--splitting', '--format=esm'];
    await execa(bun, ['build', ...how, 'src/main.ts', ...output], { cwd: repository });
    const { outputs } = JSON.parse(await readFile(`${directory}/meta.json`, 'utf8'));
    return new Map(Object.entries(outputs));
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** The chunks that are loaded together with `name`, itself among them: what it imports not only on demand. */
function loadedWith(name: string, chunks: ReadonlyMap<string, Chunk>): ReadonlySet<string> {
  const loaded = new Set([name]);
  for (const each of loaded) {
    for (const { path, kind } of chunks.get(each)?.imports ?? []) {
      if (kind !== 'dynamic-import' && chunks.has(path)) loaded.add(path);
    }
  }
  return loaded;
}

function inputsOf(names: Iterable<string>, chunks: ReadonlyMap<string, Chunk>): readonly string[] {
  return [...names].flatMap((name) => Object.keys(chunks.get(name)?.inputs ?? {}));
}

test('what the executable loads at its start has none of the heavy packages', async (t) => {
  const chunks = await bundleMain();
  const entry = [...chunks].find(([, chunk]) => chunk.entryPoint === 'src/main.ts')?.[0] ?? '';
  const atStart = loadedWith(entry, chunks);
  const onDemand = [...chunks.keys()].filter((name) => !atStart.has(name));
  t.deepEqual(heavyOnesOf(inputsOf(atStart, chunks)), []);
  t.true(inputsOf(atStart, chunks).includes('src/mount/run.ts'));
  // They are there all the same: were they gone, or not to be seen like this, the test would say nothing.
  t.deepEqual(heavyOnesOf(inputsOf(onDemand, chunks)), heavyPackages);
});

test('a mount that succeeds loads none of the heavy packages; one that fails loads the log', async (t) => {
  const programs = await compilePrograms();
  const fixture = join(repository, 'test/fixtures/mount-under-node.ts');
  const command = inPrivateNamespace([process.execPath, fixture, JSON.stringify(programs)]);
  const { stdout } = await execa(command[0], command.slice(1), { stdin: 'ignore', timeout: 60_000 });
  const { success, failure, mountedSource } = JSON.parse(stdout) as ModulesOfMounts;
  t.is(success.exitStatus, 0);
  t.is(mountedSource, '10.0.0.5:/exports/a');
  t.deepEqual(heavyOnesOf(success.modules), []);
  t.true(success.modules.some((url) => url.endsWith('/src/mount/run.ts')));
  t.is(failure.exitStatus, 32);
  t.deepEqual(heavyOnesOf(failure.modules), ['pino']);
});

/** What the source text imports when it runs: types are gone by then. */
function importsOf(source: string): readonly string[] {
  const text = stripTypeScriptTypes(source);
  const statements = text.matchAll(/^(?:import|export)\b(?:[^'"`;]*?\bfrom)?\s*['"]([^'"]+)['"]/gm);
  const calls = text.matchAll(/\bimport\(\s*['"`]([^'"`]+)/g);
  return [...statements, ...calls].flatMap(([, specifier]) => specifier ?? []);
}

/** Each import of src/mount and of the project's files it leads to, as `file: specifier`. */
async function importsOfMountPath(): Promise<readonly string[]> {
  const names = await readdir(join(repository, 'src/mount'), { recursive: true });
  const files = new Set(names.filter((name) => name.endsWith('.ts')).map((name) => `src/mount/${name}`));
  // What builds a mount's line in the record is for other engines, too.
  for (const name of ['call', 'line']) files.add(`src/record/${name}.ts`);
  const imports: string[] = [];
  for (const file of files) {
    for (const specifier of importsOf(await readFile(join(repository, file), 'utf8'))) {
      const isOwn = specifier.startsWith('.');
      if (isOwn) files.add(relative(repository, resolve(repository, dirname(file), specifier)));
      else imports.push(`${file}: ${specifier}`);
    }
  }
  return imports;
}

test('src/mount and what it leads to import no node: module, and of packages only minimist', async (t) => {
  t.deepEqual(await importsOfMountPath(), ['src/mount/argv.ts: minimist']);
});

test('the imports of a file are found in every form, and types are none', (t) => {
  const lines = [
    "import 'a';",
    "import b from 'b';",
    "import {\n  c,\n  type C,\n} from 'c';",
    "import type { D } from 'd';",
    "export { e } from 'e';",
    "export * from 'f';",
    "export const g = await import('g');",
    "// not from 'h'",
  ];
  t.deepEqual(importsOf(lines.join('\n')), ['a', 'b', 'c', 'e', 'f', 'g']);
});
