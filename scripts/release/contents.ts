import { globSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { type Architecture, architectures } from '../architectures.ts';
import { distributionOf, repository } from '../paths.ts';

/** What a release has beside the images: a row each, by where it comes from. */

/** Files that are released. */
interface Row {
  /** A glob. Of an architecture: in its own part of dist; else in the repository. What matches nothing is not there yet. */
  readonly from: string;
  /** The directory of the release; of an architecture: in its own. Undefined: in the Debian package alone. */
  readonly to?: string;
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
  { from: 'dist/*.schema.json', to: '.', package: documents },
  { from: 'LICENSE', to: '.' },
  { from: 'README.md', to: '.', package: documents, isCompressed: true },
  { from: 'docs/*.md', to: 'docs', package: `${documents}/docs`, isCompressed: true },
  { from: 'dist/man/*.8', to: 'man', package: 'usr/share/man/man8', isCompressed: true },
  {
    from: 'dist/completions/bash/*',
    to: 'completions/bash',
    package: 'usr/share/bash-completion/completions',
  },
  { from: 'dist/completions/zsh/*', to: 'completions/zsh', package: 'usr/share/zsh/vendor-completions' },
  {
    from: 'dist/completions/fish/*',
    to: 'completions/fish',
    package: 'usr/share/fish/vendor_completions.d',
  },
];

/** A file that is released. */
export interface ReleasedFile {
  readonly content: Buffer;
  readonly mode: number;
  /** Relative to the release. */
  readonly path: string | undefined;
  readonly packaged: { readonly path: string; readonly isCompressed: boolean } | undefined;
}

/** What is released of an architecture. */
export async function filesOf(architecture: Architecture): Promise<readonly ReleasedFile[]> {
  return await filesIn(distributionOf(architecture).directory, ofArchitecture, architecture);
}

/** What is released once, and is in the package of each. */
export async function commonFiles(): Promise<readonly ReleasedFile[]> {
  return await filesIn(repository, ofAll, '.');
}

async function filesIn(
  directory: string,
  rows: readonly Row[],
  above: string,
): Promise<readonly ReleasedFile[]> {
  const found = rows.flatMap((row) =>
    globSync(row.from, { cwd: directory })
      .sort()
      .map((path) => ({ row, path })),
  );
  return await Promise.all(
    found.map(async ({ row, path }) => ({
      content: await readFile(join(directory, path)),
      mode: row.mode ?? 0o644,
      path: row.to === undefined ? undefined : join(above, row.to, basename(path)),
      packaged:
        row.package === undefined
          ? undefined
          : { path: `${row.package}/${basename(path)}`, isCompressed: row.isCompressed === true },
    })),
  );
}

export const releasedArchitectures = Object.keys(architectures) as readonly Architecture[];
