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
import { execa } from 'execa';
import { exitCode } from '../src/exit-codes.ts';
import { runMain } from './command-line.ts';
import { buildFront } from './front.ts';
import { buildGuard } from './guard.ts';
import {
  cacheDirectory,
  distDirectory,
  frontExecutable,
  guardFile,
  mounterExecutable,
  repository,
} from './paths.ts';
import { manifestJsonSchema, nodeSettingsJsonSchema } from './settings-schema.ts';

/**
 * `npm run build`: dist/mounter, one self-contained executable, which has dist/mounter-front and
 * dist/glusterfs-guard in it; and the JSON schemas of the manifest and of a node's settings. What is there already is not built again.
 *
 * The runtime must take nothing from where it is called: no .env, no bunfig.toml.
 */

const schemas = [
  [`${distDirectory}/rootfs-manifest.schema.json`, manifestJsonSchema],
  [`${distDirectory}/node-settings.schema.json`, nodeSettingsJsonSchema],
] as const;
/** Tells from what the files in dist were built. */
const stampFile = `${cacheDirectory}/build-stamp`;
const inputs = [
  'src/**/*.*',
  'scripts/{build,front,guard,paths,scratch,settings-schema}.ts',
  'scripts/front/*',
  'rootfs-manifest.json',
  'package-lock.json',
];

const key = keyOfInputs();

async function main(): Promise<number> {
  mkdirSync(distDirectory, { recursive: true });
  mkdirSync(cacheDirectory, { recursive: true });
  if (readStamp() === stamp()) console.log('dist/mounter is up to date');
  else {
    await build();
    writeFileSync(stampFile, stamp());
    console.log('built dist/mounter, dist/mounter-front and dist/glusterfs-guard');
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

async function build(): Promise<void> {
  removeAbandoned();
  await buildFront();
  await buildGuard();
  // bun writes in place; a running dist/mounter keeps its file when the new one comes by rename.
  // By one name: the executable has it in itself.
  const unfinished = `${mounterExecutable}.new`;
  process.once('exit', () => rmSync(unfinished, { force: true }));
  await execa(
    `${repository}/node_modules/.bin/bun`,
    [
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
      'src/main.ts',
      frontExecutable,
      guardFile,
      '--outfile',
      unfinished,
    ],
    { cwd: repository, stdio: ['ignore', 'ignore', 'inherit'] },
  );
  forgetRuntimeVariables(unfinished);
  renameSync(unfinished, mounterExecutable);
  for (const [file, schema] of schemas) writeFileSync(file, `${JSON.stringify(schema(), undefined, 2)}\n`);
}

function keyOfInputs(): string {
  const hash = createHash('sha256');
  for (const path of globSync(inputs, { cwd: repository }).sort()) {
    hash.update(`${path}\0`).update(readFileSync(`${repository}/${path}`));
  }
  return hash.digest('hex');
}

/** The inputs, and which files lie in dist: another build may have put others there. */
function stamp(): string {
  const files = [mounterExecutable, frontExecutable, guardFile, ...schemas.map(([file]) => file)].map(
    (path) => {
      const { ino = 0, size = 0, mtimeMs = 0 } = statSync(path, { throwIfNoEntry: false }) ?? {};
      return `${path} ${ino} ${size} ${mtimeMs}`;
    },
  );
  return `${[key, ...files].join('\n')}\n`;
}

function readStamp(): string | undefined {
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

await runMain('build', main);
