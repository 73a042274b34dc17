import { closeSync, mkdirSync, openSync, readFileSync, renameSync, writeFileSync, writeSync } from 'node:fs';
import { toJsonSchema } from '@valibot/to-json-schema';
import { execa } from 'execa';
import { manifestSchema } from '../src/manifest/manifest.ts';
import { buildFront } from './front.ts';
import { buildGuard } from './guard.ts';
import { distDirectory, frontExecutable, guardFile, mounterExecutable, repository } from './paths.ts';

/**
 * `npm run build`: dist/mounter, one self-contained executable, which has dist/mounter-front and
 * dist/glusterfs-guard in it; and the manifest's JSON schema.
 *
 * The runtime must take nothing from where it is called: no .env, no bunfig.toml.
 */
mkdirSync(distDirectory, { recursive: true });
await buildFront();
await buildGuard();
// bun writes in place; a running dist/mounter keeps its file when the new one comes by rename.
const unfinished = `${mounterExecutable}.new`;
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
const schema = toJsonSchema(manifestSchema, { errorMode: 'ignore' });
writeFileSync(`${distDirectory}/rootfs-manifest.schema.json`, `${JSON.stringify(schema, undefined, 2)}\n`);
console.log('built dist/mounter, dist/mounter-front and dist/glusterfs-guard');

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
