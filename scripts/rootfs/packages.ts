import { execa } from 'execa';
import type { Manifest } from '../../src/manifest/manifest.ts';
import type { DebFile, Pin } from '../debian.ts';
import type { Entry } from './entry.ts';

/**
 * Those of `debs` that ship a file or link among `entries`. Most of a dependency closure is there for
 * maintainer scripts and for programs that are not taken (python3, perl, debconf …).
 */
export async function contributingPackages(
  debs: readonly DebFile[],
  entries: readonly Entry[],
): Promise<readonly DebFile[]> {
  const wanted = new Set(entries.filter((entry) => entry.kind !== 'directory').map((entry) => entry.path));
  const contributing: DebFile[] = [];
  for (const deb of debs) {
    const paths = parseListing(await listFiles(deb));
    if (paths.some((path) => wanted.has(path))) contributing.push(deb);
  }
  return contributing;
}

/** Packages of `include` that add no file: pinned are those that the rootfs takes something from. */
export function idleIncludes({
  include,
  packages,
}: Pick<Manifest['rootfs'], 'include' | 'packages'>): readonly string[] {
  return include.filter((name) => packages.every((pin) => pin.name !== name));
}

async function listFiles(deb: DebFile): Promise<string> {
  const archive = execa('dpkg-deb', ['--fsys-tarfile', deb.path], { stdout: 'pipe', buffer: false });
  return (await archive.pipe('tar', ['-t'])).stdout;
}

/**
 * The files and links of `tar -t`, e.g. `./bin/sed`, as paths of the merged tree: `usr/bin/sed`. Directories,
 * which end in a slash, belong to no one package.
 */
export function parseListing(text: string): readonly string[] {
  return text
    .split('\n')
    .filter((line) => line !== '' && !line.endsWith('/'))
    .map((line) => line.replace(/^\.\//, ''))
    .map((path) => path.replace(/^(bin|sbin|lib|lib64)\//, 'usr/$1/'));
}

/** Pins of `debs`, sorted by name. */
export function pinsOf(debs: readonly DebFile[]): Pin[] {
  const pins = debs.map(({ name, version, sha256 }) => ({ name, version, sha256 }));
  return pins.sort((a, b) => (a.name < b.name ? -1 : 1));
}
