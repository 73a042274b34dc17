import { createHash, randomUUID } from 'node:crypto';
import { mkdir, readdir, rename, rm, stat } from 'node:fs/promises';
import { execa } from 'execa';
import { ensureInstalled, fetchPoolFile } from './debian.ts';
import { cacheDirectory, frontExecutable, repository } from './paths.ts';

/** The front: src/front compiled by QuickJS to one static executable. */

/** Of Debian 13, which has it in this version for as long as it is supported. */
const quickjs = {
  path: 'pool/main/q/quickjs/quickjs_2025.04.26.orig.tar.xz',
  sha256: 'ec81da5b3249ed648dbc7df4a1654988910e66a118d9b71cb63534216efcfbbe',
  version: '2025-04-26',
} as const;

/** All of it but its libc, of which the front has its own. */
const quickjsSources = ['quickjs', 'libregexp', 'libunicode', 'cutils', 'dtoa'] as const;

const quickjsFlags = [
  '-O3',
  '-fwrapv',
  '-ffunction-sections',
  '-fdata-sections',
  '-D_GNU_SOURCE',
  `-DCONFIG_VERSION="${quickjs.version}"`,
];
const ownFlags = ['-std=gnu11', '-O2', '-Wall', '-Wextra', '-Werror'];

const frontCache = `${cacheDirectory}/front`;

/** What is to run on the front's engine. */
export interface FrontProgram {
  /** The module that it begins with. */
  readonly entry: string;
  /** The executable. */
  readonly output: string;
  /** Of gcc. */
  readonly flags: readonly string[];
}

const front: FrontProgram = {
  entry: `${repository}/src/front/main.ts`,
  output: frontExecutable,
  flags: ['-static', '-s', '-Wl,--gc-sections'],
};

/** Builds dist/mounter-front, or a test's program, with a compiler from Debian where the machine has none. */
export async function buildFront({ entry, output, flags }: FrontProgram = front): Promise<void> {
  await ensureInstalled(['gcc', 'libc6-dev', 'xz-utils']);
  const engine = await buildQuickjs();
  const chunks = `${frontCache}/chunks.${randomUUID()}`;
  const unfinished = `${output}.${process.pid}`;
  try {
    await execa(`${repository}/node_modules/.bin/bun`, [
      `${repository}/scripts/front/bundle.ts`,
      entry,
      chunks,
    ]);
    const files = (await readdir(chunks)).map((name) => `${chunks}/${name}`);
    await execa(engine.compiler, files, { stdout: { file: `${chunks}/chunks.h` } });
    const sources = ['engine', 'system-calls', 'spawn', 'guardian', 'apart'].map(
      (name) => `${repository}/src/front/${name}.c`,
    );
    await gcc(
      ...ownFlags,
      ...flags,
      ...engine.flags,
      '-I',
      chunks,
      '-o',
      unfinished,
      ...sources,
      ...engine.objects,
      '-lm',
    );
    await rename(unfinished, output);
  } finally {
    await rm(chunks, { recursive: true, force: true });
    await rm(unfinished, { force: true });
  }
}

interface Quickjs {
  /** For gcc. */
  readonly flags: readonly string[];
  readonly objects: readonly string[];
  /** scripts/front/compile.c, as a program. */
  readonly compiler: string;
}

/** Compiled once for each compiler: that takes a minute. */
async function buildQuickjs(): Promise<Quickjs> {
  const { stdout: compilerVersion } = await execa('gcc', ['-dumpfullversion', '-dumpmachine']);
  const key = createHash('sha256')
    .update(JSON.stringify([quickjs, quickjsFlags, compilerVersion]))
    .digest('hex')
    .slice(0, 16);
  const directory = `${frontCache}/quickjs-${key}`;
  const source = `${directory}/source`;
  const objects = quickjsSources.map((name) => `${directory}/${name}.o`);
  if (!(await exists(directory))) {
    const unfinished = `${directory}.${process.pid}`;
    await unpackQuickjs(`${unfinished}/source`);
    await Promise.all(
      quickjsSources.map((name) =>
        gcc(...quickjsFlags, '-c', `${unfinished}/source/${name}.c`, '-o', `${unfinished}/${name}.o`),
      ),
    );
    await rm(directory, { recursive: true, force: true });
    await rename(unfinished, directory);
  }
  // No warnings of its headers: they are not ours.
  const flags = ['-isystem', source];
  const compiler = `${directory}/compile`;
  const unfinished = `${compiler}.${process.pid}`;
  await gcc(
    ...ownFlags,
    ...flags,
    '-o',
    unfinished,
    `${repository}/scripts/front/compile.c`,
    ...objects,
    '-lm',
  );
  await rename(unfinished, compiler);
  return { flags, objects, compiler };
}

async function unpackQuickjs(directory: string): Promise<void> {
  const archive = `${frontCache}/${quickjs.path.slice(quickjs.path.lastIndexOf('/') + 1)}`;
  await fetchPoolFile(quickjs, archive);
  await mkdir(directory, { recursive: true });
  await execa('tar', ['-xJf', archive, '-C', directory, '--strip-components=1', '--no-same-owner']);
}

async function gcc(...args: readonly string[]): Promise<void> {
  await execa('gcc', args);
}

async function exists(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined)) !== undefined;
}
