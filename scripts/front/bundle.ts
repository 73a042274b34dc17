/**
 * `bun scripts/front/bundle.ts ENTRY DIRECTORY`: ENTRY, such as src/front/main.ts, and what it imports as ES modules
 * for QuickJS, in DIRECTORY: main.js, and the chunks that import() loads, in whose place stands `loadModule` of
 * src/front/engine.c. bun's command line has no plugins.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { repository } from '../paths.ts';

/** What we use of Bun.build. */
interface Bundler {
  build(options: {
    readonly entrypoints: readonly string[];
    readonly outdir: string;
    readonly target: 'bun';
    readonly format: 'esm';
    readonly splitting: boolean;
    readonly minify: boolean;
    readonly external: readonly string[];
    readonly naming: { readonly entry: string; readonly chunk: string };
    readonly plugins: readonly Plugin[];
  }): Promise<{ readonly outputs: readonly { readonly path: string; text(): Promise<string> }[] }>;
}

interface Plugin {
  readonly name: string;
  setup(build: {
    onLoad(
      filter: { readonly filter: RegExp },
      load: (file: {
        readonly path: string;
      }) => Promise<{ readonly loader: 'ts'; readonly contents: string }>,
    ): void;
  }): void;
}

/** The shared sources import node:fs, and find the front's own in its place. */
const nodeFs: Plugin = {
  name: 'node:fs',
  setup: ({ onLoad }) =>
    onLoad({ filter: /\/src\/.*\.ts$/ }, async ({ path }) => {
      const text = await readFile(path, 'utf8');
      return { loader: 'ts', contents: text.replaceAll(`'node:fs'`, `'${repository}/src/front/node-fs.ts'`) };
    }),
};

/** Of Math, such as `sin`; and what would be the same in every call, for it is seeded when the front is built. */
const leftOut = await readFile(`${repository}/src/front/left-out.c`, 'utf8');
const notThere = ['random', ...[...leftOut.matchAll(/^NOT_THERE\w*\((\w+)\)$/gm)].map(([, name]) => name)];

const bundler = (globalThis as unknown as { readonly Bun: Bundler }).Bun;
const { outputs } = await bundler.build({
  entrypoints: [process.argv[2] ?? ''],
  outdir: process.argv[3] ?? '',
  target: 'bun',
  format: 'esm',
  splitting: true,
  minify: true,
  external: ['system-calls'],
  naming: { entry: 'main.js', chunk: '[name]-[hash].js' },
  plugins: [nodeFs],
});
for (const output of outputs) {
  const text = await output.text();
  refuseOthers(output.path, text);
  await writeFile(output.path, text.replaceAll('import("./', 'loadModule("./'));
}

/** @throws Error for a module or a function that the front does not have: the shared sources must not use it there. */
function refuseOthers(path: string, text: string): void {
  for (const [, name = ''] of text.matchAll(/\b(?:from|import)\s*\(?["']([^"']+)["']/g))
    if (!name.startsWith('./') && name !== 'system-calls')
      throw new Error(`${path} imports ${name}, which the front does not have`);
  for (const [, name] of text.matchAll(/\bMath\.(\w+)/g))
    if (notThere.includes(name)) throw new Error(`${path} uses Math.${name}, which the front does not have`);
}
