import { createHash } from 'node:crypto';
import {
  closeSync,
  globSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { basename, relative } from 'node:path';
import { exitCode } from '../src/exit-codes.ts';
import {
  type Architecture,
  architectureFlag,
  architectureOf,
  architectures,
  ownArchitecture,
} from './architectures.ts';
import { fetchBun, runBun } from './bun.ts';
import { runMain } from './command-line.ts';
import { buildFront } from './front.ts';
import { buildGuard } from './guard.ts';
import { cacheDirectory, type Distribution, distributionOf, repository } from './paths.ts';
import { withProgress } from './progress.ts';
import { manifestJsonSchema, nodeSettingsJsonSchema } from './settings-schema.ts';

/**
 * `npm run build`: mounter, one self-contained executable, which has mounter-front and glusterfs-guard in it; and the
 * JSON schemas of the manifest and of a node's settings. What is there already is not built again.
 *
 * The runtime must take nothing from where it is called: no .env, no bunfig.toml.
 */

const inputs = [
  'src/**/*.*',
  'scripts/{architectures,build,bun,front,guard,paths,progress,scratch,settings-schema}.ts',
  'scripts/front/*',
  'rootfs-manifest.json',
  'package-lock.json',
];

const key = keyOfInputs();

async function main(architecture: Architecture): Promise<number> {
  const files = distributionOf(architecture);
  /** Tells from what the files were built. */
  const stampFile = `${cacheDirectory}/build-stamp-${architecture}`;
  mkdirSync(files.directory, { recursive: true });
  mkdirSync(cacheDirectory, { recursive: true });
  const name = relative(repository, files.mounter);
  if (readStamp(stampFile) === stamp(files)) console.log(`${name} is up to date`);
  else {
    await withProgress('building the executable, in about half a minute', () => build(architecture, files));
    writeFileSync(stampFile, stamp(files));
    console.log(`built ${[name, basename(files.front), basename(files.guard)].join(', ')}`);
  }
  return exitCode.success;
}

/** bun, where it is killed, leaves its unfinished executable in its directory. An hour ago, it is nobody's any more. */
function removeAbandoned(): void {
  for (const name of globSync('.*.bun-build', { cwd: repository })) {
    const { mtimeMs = Date.now() } = statSync(`${repository}/${name}`, { throwIfNoEntry: false }) ?? {};
    if (Date.now() - mtimeMs > 3_600_000) rmSync(`${repository}/${name}`, { force: true });
  }
}

async function build(architecture: Architecture, files: Distribution): Promise<void> {
  removeAbandoned();
  await buildFront(architecture);
  await buildGuard(architecture);
  // bun writes in place; a running dist/mounter keeps its file when the new one comes by rename.
  // By one name: the executable has it in itself.
  const unfinished = `${files.mounter}.new`;
  process.once('exit', () => rmSync(unfinished, { force: true }));
  const argv = [
    'build',
    '--compile',
    '--minify',
    '--bytecode',
    '--splitting',
    '--format=esm',
    '--no-compile-autoload-dotenv',
    '--no-compile-autoload-bunfig',
    // A call is over before optimized code would pay: it starts faster and stays smaller without.
    '--compile-jit-policy=100',
    '--min-chunk-size=16384',
    // Where this directory is would be in the executable: pino knows its own, for threads that nobody starts.
    '--define=__dirname="/"',
    '--define=__filename="/"',
    // Embedded under its own name.
    '--asset-naming=[name]',
    ...(await crossFlags(architecture)),
    'src/main.ts',
    files.front,
    files.guard,
    '--outfile',
    unfinished,
  ];
  await withProgress('compiling mounter, usually 5 s', () => runBun(argv));
  forgetRuntimeVariables(unfinished);
  renameSync(unfinished, files.mounter);
  writeSchema(files.schema, manifestJsonSchema());
  writeSchema(files.nodeSettingsSchema, nodeSettingsJsonSchema());
}

function writeSchema(file: string, schema: object): void {
  writeFileSync(file, `${JSON.stringify(schema, undefined, 2)}\n`);
}

async function crossFlags(architecture: Architecture): Promise<readonly string[]> {
  if (architecture === ownArchitecture) return [];
  const { bunPackage, runtime } = architectures[architecture];
  const bun = await fetchBun(bunPackage);
  return [`--target=bun-linux-${runtime}`, `--compile-executable-path=${bun}`];
}

function keyOfInputs(): string {
  const hash = createHash('sha256');
  for (const path of globSync(inputs, { cwd: repository }).sort()) {
    hash.update(`${path}\0`).update(readFileSync(`${repository}/${path}`));
  }
  return hash.digest('hex');
}

/** The inputs, and which files lie in dist: another build may have put others there. */
function stamp({ mounter, front, guard, schema, nodeSettingsSchema }: Distribution): string {
  const files = [mounter, front, guard, schema, nodeSettingsSchema].map((path) => {
    const { ino = 0, size = 0, mtimeMs = 0 } = statSync(path, { throwIfNoEntry: false }) ?? {};
    return `${path} ${ino} ${size} ${mtimeMs}`;
  });
  return `${[key, ...files].join('\n')}\n`;
}

function readStamp(stampFile: string): string | undefined {
  try {
    return readFileSync(stampFile, 'utf8');
  } catch {
    return undefined; // Nothing was built yet.
  }
}

/**
 * The runtime in the executable obeys variables of its environment: it would run another program text before
 * ours, or be no mounter at all. bun has no switch for that. So their names in it begin with a NUL byte here,
 * which no variable's name can.
 * @throws Error when one is not found: another version of bun, to be looked at.
 */
function forgetRuntimeVariables(executable: string): void {
  const bytes = readFileSync(executable);
  const fd = openSync(executable, 'r+');
  try {
    for (const name of ['BUN_OPTIONS', 'BUN_BE_BUN', 'BUN_INSPECT_PRELOAD']) {
      let at = bytes.indexOf(name);
      if (at < 0) throw new Error(`no ${name} in the runtime: does it still read that variable?`);
      for (; at >= 0; at = bytes.indexOf(name, at + 1)) writeSync(fd, Buffer.alloc(1), 0, 1, at);
    }
  } finally {
    closeSync(fd);
  }
}

await runMain({
  name: 'build',
  flags: architectureFlag,
  manual: [
    `Builds mounter, mounter-front, glusterfs-guard, and the JSON schemas of the manifest and of a node's settings, in dist;
    for another architecture than this machine's in dist/ARCH, with Debian's cross compiler, QEMU's user mode emulation and
    bun from npm.`,
  ],
  examples: ['npm run build -- --architecture arm64'],
  run: (flags) => main(architectureOf(flags.value('architecture'))),
});
