import { copyFileSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { stripTypeScriptTypes } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join, relative, resolve } from 'node:path';
import test from 'ava';
import { execa } from 'execa';
import { compilePrograms } from '../../scripts/bench/calls/programs.ts';
import { repository } from '../../scripts/paths.ts';
import { installedMounter, kubeletDirectory, mounterHome, ScratchNode } from '../support/node/namespace.ts';

/** Every mount pays for what the plain success path loads, every command for what it starts with. */
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

/** The chunks that bun makes of an entry, by name: the same modules as in the executable. */
async function bundle(entry: string): Promise<ReadonlyMap<string, Chunk>> {
  const directory = await mkdtemp(join(tmpdir(), 'hot-path-'));
  try {
    const output = ['--outdir', directory, `--metafile=${directory}/meta.json`];
    const bun = join(repository, 'node_modules/.bin/bun');
    const how = ['--target=bun', '--minify', '--splitting', '--format=esm', '--external=system-calls'];
    await execa(bun, ['build', ...how, entry, ...output], { cwd: repository });
    const { outputs } = JSON.parse(await readFile(`${directory}/meta.json`, 'utf8'));
    return new Map(Object.entries(outputs));
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** What is loaded when the program starts, and what later if at all. */
async function partsOf(
  entry: string,
): Promise<{ readonly atStart: readonly string[]; readonly onDemand: readonly string[] }> {
  const chunks = await bundle(entry);
  const name = [...chunks].find(([, chunk]) => chunk.entryPoint === entry)?.[0] ?? '';
  const loaded = loadedWith(name, chunks);
  return {
    atStart: inputsOf(loaded, chunks),
    onDemand: inputsOf(
      [...chunks.keys()].filter((other) => !loaded.has(other)),
      chunks,
    ),
  };
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

test.serial('what the full executable loads at its start has none of the heavy packages', async (t) => {
  const { atStart, onDemand } = await partsOf('src/main.ts');
  t.deepEqual(heavyOnesOf(atStart), []);
  t.true(atStart.includes('src/main.ts'));
  // They are there all the same: were they gone, or not to be seen like this, the test would say nothing.
  t.deepEqual(heavyOnesOf(onDemand), heavyPackages);
});

test.serial('the front has no package, and loads what explains a failure when one is there', async (t) => {
  const { atStart, onDemand } = await partsOf('src/front/main.ts');
  const packages = [...atStart, ...onDemand].flatMap((path) => packageOf(path) ?? []);
  t.deepEqual([...new Set(packages)], []);
  for (const module of [
    'src/mount/run.ts',
    'src/mount/steps/target.ts',
    'src/mount/steps/attach.ts',
    'src/front/apart.ts',
  ])
    t.true(atStart.includes(module), module);
  for (const module of [
    'src/mount/failure/explain.ts',
    'src/mount/filesystems/nfs/probe.ts',
    'src/mount/filesystems/nfs/failure.ts',
    'src/mount/filesystems/glusterfs/glusterfs.ts',
    'src/mount/filesystems/generic.ts',
    'src/front/ask.ts',
    'src/resolver/node-files.ts',
  ])
    t.true(onDemand.includes(module), module);
});

test.serial(
  'a mount starts one program, its helper, and needs the full executable for nothing',
  async (t) => {
    const { standIn } = await compilePrograms();
    await using node = await ScratchNode.prepared();
    const target = `${kubeletDirectory}/pods/u/volumes/v`;
    copyFileSync(standIn, node.path('/mnt/shared/stand-in'));
    await node.shell(`mkdir -p ${target}; rm ${mounterHome}/mounter-full ${mounterHome}/rootfs/usr/sbin/mount.nfs
    cp /mnt/shared/stand-in ${mounterHome}/rootfs/usr/sbin/mount.nfs`);
    const mount = async (...words: readonly string[]) => {
      const trace = ['strace', '-f', '-qq', '-e', 'trace=execve', '-e', 'signal=none', '-o', '/tmp/trace'];
      const argv = ['mount', '-t', 'nfs', '-o', 'vers=4', ...words, target];
      const { status, stderr } = await node.run([...trace, installedMounter, ...argv]);
      const programs = [...node.read('/tmp/trace').matchAll(/ execve\("([^"]+)".* = 0$/gm)];
      return { status, stderr, programs: programs.map(([, program]) => program) };
    };
    t.deepEqual(await mount('10.0.0.5:/exports/a'), {
      status: 0,
      stderr: '',
      programs: [installedMounter, '/sbin/mount.nfs'],
    });
    t.deepEqual(
      node.entriesOf(target).map(({ source }) => source),
      ['10.0.0.5:/exports/a'],
    );
    const other = await mount('10.0.0.5:/exports/another');
    t.is(other.status, 32);
    t.regex(other.stderr, /10\.0\.0\.5:\/exports\/a .*is mounted there already/);
    t.deepEqual(other.programs, [installedMounter]);
  },
);

test.serial(
  'volumes of one name in two Pods are locked apart, and those of one place together',
  async (t) => {
    await using node = await ScratchNode.prepared();
    const lockOf = async (pod: string) => {
      const target = `${kubeletDirectory}/pods/${pod}/volumes/v`;
      await node.shell(`mkdir -p ${target}`);
      const trace = ['strace', '-qq', '-e', 'trace=fcntl', '-e', 'signal=none', '-o', '/tmp/locks'];
      await node.run([...trace, installedMounter, 'mount', '-t', 'nfs', '-o', 'bad', '10.0.0.5:/a', target]);
      return /F_OFD_SETLK, .*l_start=(\d+)/.exec(node.read('/tmp/locks'))?.[1];
    };
    const [one, two, again] = [await lockOf('one'), await lockOf('two'), await lockOf('one')];
    t.truthy(one);
    t.not(one, two);
    t.is(one, again);
  },
);

/** What the source text imports when it runs: types are gone by then. */
function importsOf(source: string): readonly string[] {
  const text = stripTypeScriptTypes(source);
  const statements = text.matchAll(/^(?:import|export)\b(?:[^'"`;]*?\bfrom)?\s*['"]([^'"]+)['"]/gm);
  const calls = text.matchAll(/\bimport\(\s*['"`]([^'"`]+)/g);
  return [...statements, ...calls].flatMap(([, specifier]) => specifier ?? []);
}

/** What the front has in the place of node:fs. */
async function offeredByFront(): Promise<ReadonlySet<string>> {
  const text = await readFile(join(repository, 'src/front/node-fs.ts'), 'utf8');
  return new Set(
    [...text.matchAll(/^export (?:function|const|class) (\w+)/gm)].map(([, name]) => name ?? ''),
  );
}

/** The names that the source text imports of node:fs. */
function namesOfNodeFs(source: string): readonly string[] {
  const lists = stripTypeScriptTypes(source).matchAll(/^import \{([^}]*)\} from 'node:fs'/gm);
  return [...lists]
    .flatMap(([, names = '']) => names.split(','))
    .map((name) => name.trim().replace(/ as .*/, ''))
    .filter((name) => name !== '');
}

/**
 * Each import of src/mount and of the project's files it leads to, as `file: specifier`; of node:fs what the
 * front does not have.
 */
async function importsOfMountPath(): Promise<readonly string[]> {
  const names = await readdir(join(repository, 'src/mount'), { recursive: true });
  const files = new Set(names.filter((name) => name.endsWith('.ts')).map((name) => `src/mount/${name}`));
  // What builds a mount's line in the record is for other engines, too.
  for (const name of ['call', 'line']) files.add(`src/record/${name}.ts`);
  const offered = await offeredByFront();
  const imports: string[] = [];
  for (const file of files) {
    const source = await readFile(join(repository, file), 'utf8');
    for (const specifier of importsOf(source)) {
      const isOwn = specifier.startsWith('.');
      if (isOwn) files.add(relative(repository, resolve(repository, dirname(file), specifier)));
      else if (specifier !== 'node:fs') imports.push(`${file}: ${specifier}`);
    }
    for (const name of namesOfNodeFs(source))
      if (!offered.has(name)) imports.push(`${file}: node:fs ${name}`);
  }
  return imports;
}

test.serial(
  'src/mount and what it leads to import no package, and of node: what the front has',
  async (t) => {
    t.deepEqual(await importsOfMountPath(), []);
  },
);

test.serial('the imports of a file are found in every form, and types are none', (t) => {
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
  const fs = "import { a, b as c,\n type D } from 'node:fs';\nimport type { E } from 'node:fs';";
  t.deepEqual(namesOfNodeFs(fs), ['a', 'b']);
});
