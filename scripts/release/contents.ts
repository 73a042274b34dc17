import { globSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename, dirname, join, relative } from 'node:path';
import { execa } from 'execa';
import { type Architecture, architectures } from '../architectures.ts';
import { trackedFiles } from '../git.ts';
import { distributionOf, mounterExecutable, repository } from '../paths.ts';

/** What a release has beside the images: a row each, by where it comes from. */

/** Files that are released. */
interface Row {
  /**
   * A name, of an architecture in its own part of dist, else in the repository; there also a glob, of what git has: what
   * else lies about is nobody's release.
   */
  readonly from: string;
  /** The directory of the release; of an architecture: in its own. */
  readonly to: string;
  /** The directory that the Debian package has it in. */
  readonly package?: string;
  readonly mode?: 0o755;
  /** In the Debian package with gzip, as its policy has it for documents of some size. */
  readonly isCompressed?: true;
}

export const packageName = 'containerized-mounter';
const data = `usr/lib/${packageName}`;
export const documents = `usr/share/doc/${packageName}`;

/** The first three are what a node needs. */
const ofArchitecture: readonly Row[] = [
  { from: 'mounter', to: '.', package: 'usr/sbin', mode: 0o755 },
  { from: 'rootfs.tar.zst', to: '.', package: data },
  { from: 'rootfs-manifest.json', to: '.', package: data },
  { from: 'rootfs-contents.json', to: '.' },
];

const ofAll: readonly Row[] = [
  { from: 'dist/node-settings.schema.json', to: '.', package: documents },
  { from: 'dist/rootfs-manifest.schema.json', to: '.', package: documents },
  { from: 'LICENSE', to: '.' },
  { from: 'README.md', to: '.', package: documents, isCompressed: true },
  { from: 'docs/*.md', to: 'docs', package: `${documents}/docs`, isCompressed: true },
  { from: 'docs/*/*', to: 'docs' },
];

/** What the executable prints. */
interface Printed {
  readonly argv: readonly string[];
  readonly to: string;
  readonly name: string;
  readonly package: string;
  readonly isCompressed?: true;
}

/** Where `mounter completion` and man(1) have them. */
const printed: readonly Printed[] = [
  {
    argv: ['help', '--man'],
    to: 'man',
    name: 'mounter.8',
    package: 'usr/share/man/man8',
    isCompressed: true,
  },
  {
    argv: ['help', '--man', 'rootfs-manifest.json'],
    to: 'man',
    name: 'rootfs-manifest.json.5',
    package: 'usr/share/man/man5',
    isCompressed: true,
  },
  {
    argv: ['completion', 'bash'],
    to: 'completions/bash',
    name: 'mounter',
    package: 'usr/share/bash-completion/completions',
  },
  {
    argv: ['completion', 'zsh'],
    to: 'completions/zsh',
    name: '_mounter',
    package: 'usr/share/zsh/vendor-completions',
  },
  {
    argv: ['completion', 'fish'],
    to: 'completions/fish',
    name: 'mounter.fish',
    package: 'usr/share/fish/vendor_completions.d',
  },
];

/** A file that is released. */
export interface ReleasedFile {
  readonly content: Buffer;
  readonly mode: number;
  /** Relative to the release; undefined: in the Debian package alone. */
  readonly path: string | undefined;
  readonly packaged: { readonly path: string; readonly isCompressed: boolean } | undefined;
}

/** What is released of an architecture. */
export async function filesOf(architecture: Architecture): Promise<readonly ReleasedFile[]> {
  return await filesIn(distributionOf(architecture).directory, ofArchitecture, architecture);
}

/** What is released once, and is in the package of each. @param executable of this machine's architecture. */
export async function commonFiles(executable = mounterExecutable): Promise<readonly ReleasedFile[]> {
  const texts = printed.map(async (row) => {
    const { stdout } = await execa(executable, row.argv, { stripFinalNewline: false, env: { LC_ALL: 'C' } });
    return releasedFile(Buffer.from(stdout), row, join(row.to, row.name));
  });
  return [...(await filesIn(repository, ofAll, '.')), ...(await Promise.all(texts))];
}

async function filesIn(
  directory: string,
  rows: readonly Row[],
  above: string,
): Promise<readonly ReleasedFile[]> {
  const tracked = await trackedFiles();
  const found = rows.flatMap((row) =>
    globSync(row.from, { cwd: directory })
      .filter((path) => path === row.from || tracked?.has(path) !== false)
      .sort()
      .map((path) => ({ row, path })),
  );
  return await Promise.all(
    found.map(async ({ row, path }) => {
      // What the glob leaves open, below the directory that it names.
      const below = relative(dirname(`${row.from.split('*')[0]}x`), path);
      return releasedFile(await readFile(join(directory, path)), row, join(above, row.to, below));
    }),
  );
}

function releasedFile(
  content: Buffer,
  { mode, package: within, isCompressed }: Pick<Row, 'mode' | 'package' | 'isCompressed'>,
  path: string,
): ReleasedFile {
  const packaged =
    within === undefined
      ? undefined
      : { path: `${within}/${basename(path)}`, isCompressed: isCompressed === true };
  return { content, mode: mode ?? 0o644, path, packaged };
}

export const releasedArchitectures = Object.keys(architectures) as readonly Architecture[];
