import { type ExecaError, execa } from 'execa';
import { MounterError } from '../../src/errors.ts';
import { exitCode } from '../../src/exit-codes.ts';
import type { Entry, FileEntry } from './entry.ts';
import type { Architecture } from './pins.ts';
import type { UnpackedTree } from './unpacked.ts';

/** Part of each architecture's ABI, hence the same in every release. */
const loaders = {
  amd64: '/lib64/ld-linux-x86-64.so.2',
  arm64: '/lib/ld-linux-aarch64.so.1',
} satisfies Record<Architecture, string>;

/**
 * Takes the shared libraries that the taken ELF files need, as the tree's own dynamic loader finds them.
 * What is only opened at run time (dlopen(3)) must be among the files of the manifest.
 * @throws MounterError that names the library that is in none of the packages.
 */
export async function takeLibraries(tree: UnpackedTree, architecture: Architecture): Promise<void> {
  const loader = loaders[architecture];
  const libraries = new Set([loader]);
  for (const file of [...tree.taken.values()].filter(isElf)) {
    for (const library of await neededLibraries(tree.root, loader, file)) libraries.add(library);
  }
  for (const library of [...libraries].sort()) await tree.take(library.slice(1), 'a shared library');
}

function isElf(entry: Entry): entry is FileEntry {
  return entry.kind === 'file' && entry.content.subarray(0, 4).toString('latin1') === '\x7fELF';
}

async function neededLibraries(root: string, loader: string, file: FileEntry): Promise<readonly string[]> {
  try {
    const argv = [root, loader, '--list', `/${file.path}`];
    // Nothing of the machine's may change what the loader finds.
    const { stdout } = await execa('chroot', argv, { extendEnv: false, env: { PATH: process.env.PATH } });
    return parseLibraryList(stdout, file.path);
  } catch (error) {
    if (error instanceof MounterError) throw error;
    const stderr = String((error as ExecaError).stderr ?? '');
    if (/statically linked|not a dynamic executable/.test(stderr)) return [];
    throw new MounterError(`its libraries can't be listed: ${stderr.split('\n')[0]}`, {
      subject: `/${file.path}`,
      status: exitCode.system,
      hint: `build on a machine of the rootfs's architecture`,
      cause: error,
    });
  }
}

/**
 * Absolute paths out of what ld.so(8) `--list` prints for `path`:
 * ```
 *         linux-vdso.so.1 (0x00007ffd0b5f2000)
 *         libtirpc.so.3 => /lib/x86_64-linux-gnu/libtirpc.so.3 (0x00007f3c0a5d3000)
 *         /lib64/ld-linux-x86-64.so.2 (0x00007f3c0a7f1000)
 * ```
 * @throws MounterError for a line that ends in `=> not found`.
 */
export function parseLibraryList(text: string, path: string): readonly string[] {
  const missing = /^\s*(\S+) => not found$/m.exec(text)?.[1];
  if (missing !== undefined) {
    throw new MounterError(`needs ${missing}, which is in none of the packages`, {
      subject: `/${path}`,
      status: exitCode.system,
      hint: 'npm run rootfs -- --update-pins resolves the packages again',
    });
  }
  return [...text.matchAll(/^\s*(?:\S+ => )?(\/\S+) \(0x[0-9a-f]+\)$/gm)].map((match) => match[1] ?? '');
}
