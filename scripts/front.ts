import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { parse } from 'node:path';
import { execa } from 'execa';
import { type Architecture, ownArchitecture, type Toolchain, toolchainOf } from './architectures.ts';
import { runBun } from './bun.ts';
import { ensureInstalled, fetchPoolFile } from './debian.ts';
import { emulatorOf } from './emulator.ts';
import { fetchMusl, type Libc, machineLibc } from './front/libc.ts';
import { cacheDirectory, distributionOf, repository } from './paths.ts';
import { withProgress } from './progress.ts';
import { copyWhole, withScratch } from './scratch.ts';

/**
 * The front: src/front compiled by QuickJS to one static executable, in which the engine is started and the modules are
 * loaded: it begins with what memory holds then.
 */

/** Of Debian 13, which has it in this version for as long as it is supported. */
export const quickjs = {
  path: 'pool/main/q/quickjs/quickjs_2025.04.26.orig.tar.xz',
  sha256: 'ec81da5b3249ed648dbc7df4a1654988910e66a118d9b71cb63534216efcfbbe',
  version: '2025-04-26',
} as const;

/** All of it but its libc, of which the front has its own; fast where a mount spends its time, small where not. */
const quickjsSources = {
  quickjs: '-O2',
  libregexp: '-O2',
  libunicode: '-Os',
  cutils: '-Os',
  dtoa: '-Os',
} as const;

/** At fixed addresses, so that what memory holds can be a part of the executable. */
const commonFlags = [
  '-fno-pie',
  '-ffunction-sections',
  '-fdata-sections',
  '-fno-asynchronous-unwind-tables',
  '-fno-unwind-tables',
];
const quickjsFlags = [
  ...commonFlags,
  // Half of it is code that no call comes to: what makes the rest a little faster makes it all a third larger.
  '-fno-inline-functions',
  '-fno-align-functions',
  '-fno-align-jumps',
  '-fno-align-loops',
  '-fwrapv',
  '-D_GNU_SOURCE',
  `-DCONFIG_VERSION="${quickjs.version}"`,
];
/** Far from everything else, and from each other: where one of them is missing, nothing else moves. */
const addresses = { arena: 0x10000000, bytecode: 0x20000000, saver: 0x30000000 } as const;
const ownFlags = [
  ...commonFlags,
  '-std=gnu11',
  '-Os',
  '-Wall',
  '-Wextra',
  '-Werror',
  `-DARENA_ADDRESS=${addresses.arena}`,
];
const ownSources = [
  'engine',
  'arena',
  'left-out',
  'printf',
  'system-calls',
  'close-from',
  'spawn',
  'guardian',
  'apart',
].map((name) => `${repository}/src/front/${name}.c`);

const frontCache = `${cacheDirectory}/front`;
const quickjsArchive = `${frontCache}/${parse(quickjs.path).base}`;

/** What is to run on the front's engine, and starts it and loads its modules itself. */
export interface FrontProgram {
  /** The module that it begins with. */
  readonly entry: string;
  /** The executable. */
  readonly output: string;
  /** Of gcc. */
  readonly flags: readonly string[];
}

/** Builds a test's program, with a compiler from Debian where the machine has none, and with its C library. */
export function buildFrontProgram({ entry, output, flags }: FrontProgram): Promise<void> {
  return build(entry, flags, ownArchitecture, machineLibc, async ({ objects, modules, directory, link }) => {
    await link(flags, `${directory}/program`, [...objects, ...modules.first, ...modules.later]);
    await copyWhole(`${directory}/program`, output);
  });
}

/** Builds mounter-front, with musl. @param forCounting instructions, by valgrind: with all names. */
export async function buildFront(
  architecture = ownArchitecture,
  output: string = distributionOf(architecture).front,
  forCounting = false,
): Promise<void> {
  const flags = [
    '-Wl,--gc-sections',
    ...Object.entries(addresses).map(([name, at]) => `-Wl,--section-start=${name}=0x${at.toString(16)}`),
  ];
  const entry = `${repository}/src/front/main.ts`;
  const defined = [`-DIS_EMULATED=${architecture === ownArchitecture ? 0 : 1}`];
  return build(
    entry,
    defined,
    architecture,
    await fetchMusl(architecture),
    async ({ objects, modules, compile, directory, link, tool }) => {
      const saver = `${directory}/saver`;
      const program = `${directory}/program`;
      const memory = `${directory}/memory`;
      const saverSource = `${repository}/scripts/front/save.c`;
      const memorySource = `${memory}.S`;
      const both = [...modules.first, ...modules.later];
      if (forCounting) {
        flags.push(...['clone', '_exit', 'waitpid', 'syscall'].map((name) => `-Wl,--wrap=${name}`));
        objects.push(...(await compile(`${repository}/scripts/bench/calls/visit.c`)));
      }
      await link(flags, saver, [...objects, ...both, ...(await compile(saverSource))]);
      await save(saver, memory, architecture);
      await writeFile(
        memorySource,
        `.section .note.GNU-stack, ""\n.section arena, "aw"\n.balign 4096\n.incbin "${memory}"\n`,
      );
      await link(flags, program, [...objects, ...modules.later, ...(await compile(memorySource))]);
      await requireSameAddresses(tool('nm'), saver, program);
      if (!forCounting) await execa(tool('strip'), [program]);
      await copyWhole(program, output);
    },
  );
}

/** What the memory of the one refers to is at the same place in the other. @throws Error where it is not. */
async function requireSameAddresses(nm: string, saver: string, program: string): Promise<void> {
  const before = await symbolsOf(nm, saver);
  const after = await symbolsOf(nm, program);
  const moved = before.find((symbol, index) => symbol !== after[index]);
  if (moved !== undefined) throw new Error(`${moved} is elsewhere in the front than when it was started`);
}

/** Of the code and the data that both have, such as `000000000043c1e0 T JS_NewAtom`: behind the file's own head. */
async function symbolsOf(nm: string, program: string): Promise<readonly string[]> {
  const { stdout } = await execa(nm, ['--numeric-sort', program]);
  const isShared = (at: number) => at >= 0x401000 && at < addresses.arena;
  return stdout.split('\n').filter((line) => isShared(Number.parseInt(line.slice(0, 16), 16)));
}

const asksKernel =
  'a module of the front asks the kernel when it is loaded, or what time it is: let onStart do that';

/** @throws Error where the modules can't be loaded as they are. */
async function save(saver: string, memory: string, architecture: Architecture): Promise<void> {
  const isForeign = architecture !== ownArchitecture;
  const calls = `${memory}.calls`;
  const argv = isForeign ? [await emulatorOf(architecture), '-strace', '-D', calls, saver] : [saver];
  const [program = '', ...args] = argv;
  const { failed, signal, stderr } = await execa(program, args, { stdout: { file: memory }, reject: false });
  if (failed)
    throw new Error(
      signal === 'SIGKILL' || signal === 'SIGSEGV' ? asksKernel : `the front cannot be started: ${stderr}`,
    );
  if (isForeign) refuseCalls(await readFile(calls, 'utf8'));
}

/**
 * What the kernel refuses a program of this machine (see save.c), an emulated one must not have done.
 * @param calls of the saver, a line each: `48213 write(1,0x10000000,524288) = 524288`.
 * @throws Error where it asked the kernel for anything else than to write, behind the call for strict seccomp.
 */
export function refuseCalls(calls: string): void {
  const lines = calls.trimEnd().split('\n');
  const strict = lines.findIndex((line) => /^\d+ prctl\((22|PR_SET_SECCOMP),/.test(line));
  const isAllowed = (line: string) => /^\d+ (write|exit)\(/.test(line);
  if (strict < 0 || !lines.slice(strict + 1).every(isAllowed)) throw new Error(asksKernel);
}

/** What a program is linked from. */
interface Parts {
  readonly objects: string[];
  /** The objects that have the compiled modules in them, by when they are loaded. */
  readonly modules: { readonly first: readonly string[]; readonly later: readonly string[] };
  /** @returns the objects. */
  compile(...sources: readonly string[]): Promise<readonly string[]>;
  /** For what is needed no longer than this. */
  readonly directory: string;
  readonly tool: Toolchain['tool'];
  link(flags: readonly string[], output: string, objects: readonly string[]): Promise<unknown>;
}

async function build(
  entry: string,
  flags: readonly string[],
  architecture: Architecture,
  libc: Libc,
  finish: (parts: Parts) => Promise<void>,
): Promise<void> {
  const { packages, tool } = toolchainOf(architecture);
  const own = toolchainOf(ownArchitecture);
  await ensureInstalled([...new Set([...packages, ...own.packages, 'xz-utils'])]);
  // Once, for both.
  await fetchPoolFile(quickjs, quickjsArchive);
  const [machines, others] = await Promise.all([
    buildQuickjs(own.tool, machineLibc),
    libc === machineLibc ? undefined : buildQuickjs(tool, libc),
  ]);
  const engine = others ?? machines;
  // Bytecode is the same for all of them.
  const compiler = await buildCompiler(machines);
  const make = async (directory: string) => {
    const chunks = `${directory}/chunks`;
    const compile = async (...sources: readonly string[]) => {
      const all = [...ownFlags, ...flags, ...engine.flags, '-I', `${repository}/src/front`];
      await execa(tool('gcc'), [...all, '-c', ...sources], { cwd: directory });
      return sources.map((source) => `${directory}/${parse(source).name}.o`);
    };
    // Names of chunks depend on the way from here to the sources.
    await runBun([`${repository}/scripts/front/bundle.ts`, entry, chunks]);
    const errors = `${directory}/error-texts.c`;
    await execa(compiler.errors, { stdout: { file: errors } });
    const objects = [...(await compile(...ownSources, errors)), ...engine.objects];
    const { first, later } = await inTurn(chunks);
    const compileModules = async (list: string, files: readonly string[]) => {
      const source = `${directory}/${list}.c`;
      await execa(compiler.modules, [list, ...files], { stdout: { file: source } });
      return compile(source);
    };
    const modules = {
      first: await compileModules('loaded_first', first),
      later: await compileModules('loaded_later', later),
    };
    const link: Parts['link'] = (more, output, linked) =>
      execa(tool('gcc'), [...libc.first, ...more, '-o', output, ...linked, ...libc.last]);
    await finish({ objects, modules, compile, directory, tool, link });
  };
  await withProgress('compiling the front, usually 10 s', () => withScratch(`${frontCache}/builds`, make));
}

/** What import() loads in a call that goes well: by the name of its source. All else explains what did not. */
const usuallyLoaded = /^(glusterfs|volume)-/;

/** The chunks by when they are loaded: what main.js, or one that is usually loaded, imports comes first. */
async function inTurn(directory: string) {
  const names = (await readdir(directory)).sort();
  const first = new Set(names.filter((name) => name === 'main.js' || usuallyLoaded.test(name)));
  // A Set that grows is gone through to its new end.
  for (const name of first) {
    const text = await readFile(`${directory}/${name}`, 'utf8');
    for (const [, imported = ''] of text.matchAll(/(?:from|import)"\.\/([^"]+)"/g)) first.add(imported);
  }
  const paths = (isWanted: (name: string) => boolean) =>
    names.filter(isWanted).map((name) => `${directory}/${name}`);
  return { first: paths((name) => first.has(name)), later: paths((name) => !first.has(name)) };
}

interface Quickjs {
  /** For gcc. */
  readonly flags: readonly string[];
  readonly objects: readonly string[];
  /** Its own. */
  readonly directory: string;
}

/** Compiled once for each compiler and C library: that takes a minute. */
async function buildQuickjs(tool: Toolchain['tool'], libc: Libc): Promise<Quickjs> {
  const { stdout: compilerVersion } = await execa(tool('gcc'), ['-dumpfullversion', '-dumpmachine']);
  const key = createHash('sha256')
    .update(JSON.stringify([quickjs, quickjsSources, quickjsFlags, compilerVersion, libc.version]))
    .digest('hex')
    .slice(0, 16);
  const directory = `${frontCache}/quickjs-${key}`;
  const source = `${directory}/source`;
  const objects = Object.keys(quickjsSources).map((name) => `${directory}/${name}.o`);
  const make = () =>
    withScratch(`${frontCache}/builds`, async (scratch) => {
      const unfinished = `${scratch}/quickjs`;
      await unpackQuickjs(`${unfinished}/source`);
      const flags = [...quickjsFlags, ...libc.headers];
      // By names that are the same everywhere: its assert(3) has them in it.
      await Promise.all(
        Object.entries(quickjsSources).map(([name, optimized]) =>
          execa(tool('gcc'), [...flags, optimized, '-c', `source/${name}.c`, '-o', `${name}.o`], {
            cwd: unfinished,
          }),
        ),
      );
      await rm(directory, { recursive: true, force: true });
      await rename(unfinished, directory);
    });
  if (!(await exists(directory))) await withProgress('compiling QuickJS, usually 30 s', make);
  // No warnings of its headers: they are not ours.
  const flags = ['-isystem', source, ...libc.headers];
  return { flags, objects, directory };
}

/** Of QuickJS, what the front is compiled from. */
export async function quickjsSourceFiles(): Promise<readonly string[]> {
  const { directory } = await buildQuickjs(toolchainOf(ownArchitecture).tool, machineLibc);
  return Object.keys(quickjsSources).map((name) => `${directory}/source/${name}.c`);
}

/** Programs of this machine that print C. */
interface Compiler {
  /** scripts/front/compile.c */
  readonly modules: string;
  /** scripts/front/errors.c */
  readonly errors: string;
}

/** @returns their paths. */
async function buildCompiler({ flags, objects, directory }: Quickjs): Promise<Compiler> {
  await withScratch(`${frontCache}/builds`, async (scratch) => {
    const make = async (name: string, linked: readonly string[]) => {
      const output = ['-o', `${scratch}/${name}`, `${repository}/scripts/front/${name}.c`];
      const { first, last } = machineLibc;
      await execa('gcc', [...ownFlags, ...flags, ...first, ...output, ...linked, ...last]);
      await rename(`${scratch}/${name}`, `${directory}/${name}`);
    };
    await make('compile', objects);
    await make('errors', []);
  });
  return { modules: `${directory}/compile`, errors: `${directory}/errors` };
}

async function unpackQuickjs(directory: string): Promise<void> {
  await fetchPoolFile(quickjs, quickjsArchive);
  await mkdir(directory, { recursive: true });
  await execa('tar', ['-xJf', quickjsArchive, '-C', directory, '--strip-components=1', '--no-same-owner']);
}

async function exists(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined)) !== undefined;
}
