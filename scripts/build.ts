import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { toJsonSchema } from '@valibot/to-json-schema';
import { execa } from 'execa';
import { manifestSchema } from '../src/rootfs/manifest.ts';
import { distDirectory, mounterExecutable, repository } from './paths.ts';

/**
 * `npm run build`: dist/mounter, one self-contained executable, and the manifest's JSON schema.
 *
 * The runtime must take nothing from where it is called: no .env, no bunfig.toml.
 */
mkdirSync(distDirectory, { recursive: true });
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
    'src/main.ts',
    '--outfile',
    unfinished,
  ],
  { cwd: repository, stdio: ['ignore', 'ignore', 'inherit'] },
);
renameSync(unfinished, mounterExecutable);
const schema = toJsonSchema(manifestSchema, { errorMode: 'ignore' });
writeFileSync(`${distDirectory}/rootfs-manifest.schema.json`, `${JSON.stringify(schema, undefined, 2)}\n`);
console.log('built dist/mounter');
