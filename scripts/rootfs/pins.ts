import { isDeepStrictEqual } from 'node:util';
import { MounterError } from '../../src/errors.ts';
import { exitCode } from '../../src/exit-codes.ts';
import type { DebianPackage, Manifest } from '../../src/manifest/manifest.ts';
import type { Architecture } from '../architectures.ts';
import { nativeArchitecture, type Pin } from '../debian.ts';

/**
 * A manifest with a list for `architecture` pins the packages of each: `sha256` and `digest` are by architecture there, and a
 * version that one of them alone has is a line of its own. All of the build goes by what is of one architecture.
 */

type Rootfs = Manifest['rootfs'];
type Optional = NonNullable<Rootfs['optional']>[string];

/** `rootfs` for one architecture: what a node's manifest has. */
export interface OneRootfs extends Omit<Rootfs, 'architecture' | 'packages' | 'optional' | 'digest'> {
  architecture: Architecture;
  packages: Pin[];
  optional?: Record<string, Omit<Optional, 'packages'> & { packages: Pin[] }> | undefined;
  digest?: string | undefined;
}
export interface OneManifest extends Manifest {
  rootfs: OneRootfs;
}

export function architecturesOf({ architecture }: Pick<Rootfs, 'architecture'>): readonly Architecture[] {
  return typeof architecture === 'string' ? [architecture] : architecture;
}

/** The manifest of `wanted`; if left out of the machine's own architecture, where it is of several. */
export async function oneManifest(manifest: Manifest, wanted?: Architecture): Promise<OneManifest> {
  const [first, ...others] = architecturesOf(manifest.rootfs);
  const isOfOne = first !== undefined && others.length === 0;
  const architecture = wanted ?? (isOfOne ? first : await nativeArchitecture());
  return { ...manifest, rootfs: ofArchitecture(manifest.rootfs, architecture) };
}

/** @throws MounterError where `rootfs` has no pins for it. */
export function ofArchitecture(rootfs: Rootfs, wanted: string): OneRootfs {
  const architecture = architecturesOf(rootfs).find((one) => one === wanted);
  if (architecture === undefined) throw otherArchitecture(rootfs, wanted);
  const one = (value: DebianPackage['sha256'] | undefined) =>
    typeof value === 'object' ? value[architecture] : value;
  const pins = (packages: readonly DebianPackage[]) =>
    packages.flatMap(({ sha256: digests, ...rest }) => {
      const sha256 = one(digests);
      return sha256 === undefined ? [] : [{ ...rest, sha256 }];
    });
  const { digest, optional, ...rest } = rootfs;
  const kinds = Object.entries(optional ?? {}).map(
    ([kind, all]) => [kind, { ...all, packages: pins(all.packages) }] as const,
  );
  return {
    ...rest,
    architecture,
    packages: pins(rootfs.packages),
    ...(optional === undefined ? {} : { optional: Object.fromEntries(kinds) }),
    ...(one(digest) === undefined ? {} : { digest: one(digest) }),
  };
}

/**
 * `rootfs` with the pins of all of `pinned`, by architecture. With other pins than before its digests are gone: nothing
 * has been built of them yet.
 */
export function withPins(rootfs: Rootfs, pinned: ReadonlyMap<Architecture, OneRootfs>): Rootfs {
  const { digest, image: _image, ...own } = rootfs;
  const pins = newPins(own, pinned);
  const isAsBefore = isDeepStrictEqual(pins, { packages: own.packages, optional: own.optional });
  const digests = isAsBefore && digest !== undefined ? { digest } : {};
  const { optional, packages } = pins;
  return { ...own, packages, ...(optional === undefined ? {} : { optional }), ...digests };
}

function newPins(
  { optional }: Rootfs,
  pinned: ReadonlyMap<Architecture, OneRootfs>,
): Pick<Rootfs, 'packages' | 'optional'> {
  const merged = (packagesOf: (one: OneRootfs) => readonly Pin[]) =>
    mergePins(new Map([...pinned].map(([architecture, one]) => [architecture, packagesOf(one)])));
  const packages = merged((one) => one.packages);
  if (optional === undefined) return { packages, optional };
  return {
    packages,
    optional: Object.fromEntries(
      Object.entries(optional).map(([kind, { include, files }]) => [
        kind,
        { include, packages: merged((one) => one.optional?.[kind]?.packages ?? []), files },
      ]),
    ),
  };
}

/** Sorted by name. What is the same for all of `pinned`, as a package `all` is, is said once. */
export function mergePins(pinned: ReadonlyMap<Architecture, readonly Pin[]>): DebianPackage[] {
  const lines = new Map<string, Omit<Pin, 'sha256'> & { sha256: Record<string, string> }>();
  for (const [architecture, pins] of pinned) {
    for (const { name, version, sha256 } of pins) {
      const key = `${name} ${version}`;
      const line = lines.get(key) ?? { name, version, sha256: {} };
      lines.set(key, { ...line, sha256: { ...line.sha256, [architecture]: sha256 } });
    }
  }
  return [...lines.values()]
    .map((line) => {
      const [first = '', ...rest] = Object.values(line.sha256);
      const isOfAll = rest.length + 1 === pinned.size && rest.every((sha256) => sha256 === first);
      return isOfAll ? { ...line, sha256: first } : line;
    })
    .sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
}

/** `digest` is what was built for `architecture`; those of the others stay. */
export function withDigest(rootfs: Rootfs, architecture: Architecture, digest: string): Rootfs {
  if (typeof rootfs.architecture === 'string') return { ...rootfs, digest };
  const others = typeof rootfs.digest === 'object' ? rootfs.digest : {};
  const digests = Object.entries({ ...others, [architecture]: digest }).sort();
  return { ...rootfs, digest: Object.fromEntries(digests) };
}

function otherArchitecture(rootfs: Rootfs, architecture: string): MounterError {
  return new MounterError(`no packages are pinned for ${architecture}`, {
    subject: 'rootfs.architecture',
    status: exitCode.system,
    hint: `build for ${architecturesOf(rootfs).join(' or ')} with --architecture, or add ${architecture}, then npm run rootfs -- --update-pins`,
  });
}
