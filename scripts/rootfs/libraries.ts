import { lstatSync } from 'node:fs';
import { join, posix } from 'node:path';
import { execa } from 'execa';
import { MounterError } from '../../src/errors.ts';
import { exitCode } from '../../src/exit-codes.ts';
import { type Architecture, architectures } from '../architectures.ts';
import { ensureInstalled } from '../debian.ts';
import type { Entry } from './entry.ts';
import type { UnpackedTree } from './unpacked.ts';

/** Part of each architecture's ABI, hence the same in every release. */
const loaders = {
  amd64: '/lib64/ld-linux-x86-64.so.2',
  arm64: '/lib/ld-linux-aarch64.so.1',
} satisfies Record<Architecture, string>;

/**
 * Takes the shared libraries that the taken ELF files need, as the tree's own dynamic loader would find them: it is not
 * run, so the tree may be of any architecture. What is only opened at run time (dlopen(3)) must be among the files of the
 * manifest.
 * @throws MounterError that names the library that is in none of the packages.
 * @see ld.so(8)
 */
export async function takeLibraries(tree: UnpackedTree, architecture: Architecture): Promise<void> {
  await ensureInstalled(['binutils']);
  const { triplet } = architectures[architecture];
  const usual = [`/lib/${triplet}`, `/usr/lib/${triplet}`, '/lib', '/usr/lib'];
  await tree.take(loaders[architecture].slice(1), 'a shared library');
  const seen = new Set<string>();
  for (let files = elfFiles(tree, seen); files.length > 0; files = elfFiles(tree, seen)) {
    for (const needs of await needsOf(tree.root, files)) {
      for (const name of needs.libraries)
        await takeLibrary(tree, name, [...needs.directories, ...usual], needs.path);
    }
  }
}

/** Of what is taken by now, what has not been `seen` yet. */
function elfFiles(tree: UnpackedTree, seen: Set<string>): readonly string[] {
  const files = [...tree.taken.values()].filter((entry) => isElf(entry) && !seen.has(entry.path));
  for (const { path } of files) seen.add(path);
  return files.map(({ path }) => path).sort();
}

function isElf(entry: Entry): boolean {
  return entry.kind === 'file' && entry.content.subarray(0, 4).toString('latin1') === '\x7fELF';
}

async function takeLibrary(
  tree: UnpackedTree,
  name: string,
  directories: readonly string[],
  neededBy: string,
): Promise<void> {
  const places = name.includes('/') ? [name] : directories.map((directory) => `${directory}/${name}`);
  const place = places.find((path) => lstatSync(join(tree.root, path), { throwIfNoEntry: false }));
  if (place !== undefined) return await tree.take(place.slice(1), 'a shared library');
  throw new MounterError(`needs ${name}, which is in none of the packages`, {
    subject: `/${neededBy}`,
    status: exitCode.system,
    hint: 'npm run rootfs -- --update-pins resolves the packages again',
  });
}

interface Needs {
  /** In the tree, without a slash before it. */
  readonly path: string;
  /** As ld.so(8) takes them: without a slash a name that is looked for. */
  readonly libraries: readonly string[];
  /** Where it looks before the usual directories. */
  readonly directories: readonly string[];
}

async function needsOf(root: string, files: readonly string[]): Promise<readonly Needs[]> {
  const argv = ['--wide', '--dynamic', ...files];
  const { stdout } = await execa('readelf', argv, { cwd: root, env: { LC_ALL: 'C' } });
  // It names the file only where there is more than one.
  return parseNeeds(files.length === 1 ? `\nFile: ${files[0]}\n${stdout}` : stdout);
}

/**
 * Out of what readelf(1) `--dynamic` prints of several files:
 * ```
 * File: usr/sbin/rpcbind
 *  0x0000000000000001 (NEEDED)             Shared library: [libtirpc.so.3]
 *  0x000000000000001d (RUNPATH)            Library runpath: [$ORIGIN/../lib]
 * ```
 */
export function parseNeeds(text: string): readonly Needs[] {
  return text
    .split(/^File: /m)
    .slice(1)
    .map((part) => {
      const path = part.slice(0, part.indexOf('\n'));
      const values = (tag: string) =>
        [...part.matchAll(new RegExp(`\\((?:${tag})\\) .*\\[(.*)\\]$`, 'gm'))].map(([, value = '']) => value);
      const origin = posix.dirname(`/${path}`);
      const directories = values('RPATH|RUNPATH')
        .flatMap((list) => list.split(':'))
        .map((directory) => posix.normalize(directory.replace(/\$(ORIGIN|\{ORIGIN\})/g, origin)));
      return { path, libraries: values('NEEDED'), directories };
    });
}
