import { rename, stat } from 'node:fs/promises';
import { type Architecture, architectures } from '../architectures.ts';
import { type DebFile, fetchPackages, unpackInto } from '../debian.ts';
import { cacheDirectory } from '../paths.ts';
import { withScratch } from '../scratch.ts';

const cache = `${cacheDirectory}/front`;

/** What the front's objects are compiled for, and linked with. */
export interface Libc {
  /** What is compiled with another one is compiled anew. */
  readonly version: string;
  /** Of gcc. */
  readonly headers: readonly string[];
  /** Of gcc when it links: before the objects, and behind them. */
  readonly first: readonly string[];
  readonly last: readonly string[];
}

/** The one that gcc takes by itself. */
export const machineLibc: Libc = { version: '', headers: [], first: ['-no-pie'], last: ['-lm'] };

/**
 * musl, of which a static program gets what it calls: a fortieth of the front, where glibc would be a third, since it has
 * in every program what prints wide characters, and what loads libraries for that. By one version everywhere: that of
 * Debian 13, the first one with statx(2).
 */
export async function fetchMusl(architecture: Architecture): Promise<Libc> {
  const musl = await muslPackage(architecture);
  const files = `${cache}/musl-${architecture}/${musl.sha256.slice(0, 16)}`;
  if ((await stat(files).catch(() => undefined)) === undefined)
    await withScratch(`${cache}/builds`, async (scratch) => {
      await unpackInto([musl], `${scratch}/musl`);
      // Somebody else's may have been there first; it is the same.
      await rename(`${scratch}/musl`, files).catch(() => undefined);
    });
  const triplet = architectures[architecture].triplet.replace(/gnu$/, 'musl');
  const libraries = `${files}/usr/lib/${triplet}`;
  return {
    version: musl.sha256,
    // Before the machine's own, which are left for what musl has none of: the kernel's.
    headers: ['-isystem', `${files}/usr/include/${triplet}`],
    first: ['-static', '-no-pie', '-nostdlib', `${libraries}/crt1.o`, `${libraries}/crti.o`],
    last: [`${libraries}/libc.a`, '-lgcc', `${libraries}/libc.a`, `${libraries}/crtn.o`],
  };
}

export const muslSuite = 'trixie';

/** Debian's, of which nothing is installed here. */
export async function muslPackage(architecture: Architecture): Promise<DebFile> {
  const [musl] = await fetchPackages({
    names: ['musl-dev'],
    directory: `${cache}/musl-${architecture}`,
    suite: muslSuite,
    architecture,
    withoutDependencies: true,
  });
  if (musl === undefined) throw new Error('apt named no package musl-dev');
  return musl;
}
