import { createHash } from 'node:crypto';
import { lstatSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { execa } from 'execa';

const layerCount = 3;
/** Larger ones are left out: a few of them must not be all there is. */
const largestFile = 20e6;
/** Every so many files of a layer are deleted by the one above. */
const deletedOf = 100;

/** A regular file or a symlink; the path begins with `usr/`. */
interface UsrFile {
  readonly path: string;
  readonly size: number;
}

/**
 * Layers of files, directories and symlinks of this machine's /usr, each from another part of it, with
 * whiteouts for some of what is below.
 * @param bytes of all files together, about.
 * @param directory where the tars come, which is empty.
 * @returns the tars, the lowest first.
 */
export async function makeLargeLayers(bytes: number, directory: string): Promise<readonly string[]> {
  const layers = divide(sample(filesBelow('usr'), bytes));
  const tars = layers.map((_, index) => join(directory, `${index}.tar`));
  for (const [index, files] of layers.entries()) {
    const tar = tars[index] ?? '';
    await archive(tar, '/', withDirectories(files.map(({ path }) => path)));
    const deleted = (layers[index - 1] ?? []).filter((_, i) => i % deletedOf === 0).map(({ path }) => path);
    if (deleted.length > 0)
      await archive(tar, ...makeWhiteouts(deleted, join(directory, `whiteouts-${index}`)));
  }
  return tars;
}

function filesBelow(directory: string): readonly UsrFile[] {
  const entries = readdirSync(`/${directory}`, { withFileTypes: true });
  return entries.flatMap((entry) => {
    const path = `${directory}/${entry.name}`;
    if (entry.isDirectory()) return filesBelow(path);
    if (!entry.isFile() && !entry.isSymbolicLink()) return [];
    const { size } = lstatSync(`/${path}`);
    return size > largestFile ? [] : [{ path, size }];
  });
}

/** By the digest of the path: the same on every run, and of every kind of file. */
function sample(files: readonly UsrFile[], bytes: number): readonly UsrFile[] {
  const share = bytes / sizeOf(files);
  return files.filter(
    ({ path }) => createHash('sha256').update(path).digest().readUInt32BE() / 2 ** 32 < share,
  );
}

function divide(files: readonly UsrFile[]): readonly (readonly UsrFile[])[] {
  const layers: UsrFile[][] = Array.from({ length: layerCount }, () => []);
  const total = sizeOf(files) + 1;
  let before = 0;
  for (const file of files) {
    layers[Math.floor((before * layerCount) / total)]?.push(file);
    before += file.size;
  }
  return layers;
}

function sizeOf(files: readonly UsrFile[]): number {
  return files.reduce((sum, { size }) => sum + size, 0);
}

/** Each directory stands before what is in it; the root, which umoci dates to 1970 otherwise, is the first. */
function withDirectories(paths: readonly string[]): readonly string[] {
  const all = new Set<string>();
  const add = (path: string) => {
    if (all.has(path)) return;
    if (path !== '.') add(dirname(path));
    all.add(path);
  };
  for (const path of paths) add(path);
  return [...all];
}

/** @returns the directory that holds the whiteouts, and their names. */
function makeWhiteouts(paths: readonly string[], directory: string): [string, readonly string[]] {
  const names = paths.map((path) => join(dirname(path), `.wh.${path.slice(dirname(path).length + 1)}`));
  for (const name of names) {
    mkdirSync(join(directory, dirname(name)), { recursive: true });
    writeFileSync(join(directory, name), '');
  }
  return [directory, names];
}

/** Appends the `names` in `directory` to `tar`. */
async function archive(tar: string, directory: string, names: readonly string[]): Promise<void> {
  const format = ['--format=posix', '--numeric-owner', '--xattrs', '--no-recursion'];
  const args = ['--append', '--file', tar, '--directory', directory, ...format, '--null', '--files-from=-'];
  await execa('tar', args, { input: names.join('\0') });
}
