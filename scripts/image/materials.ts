import { readFileSync } from 'node:fs';
import type { DebFile } from '../debian.ts';
import { muslSuite } from '../front/libc.ts';
import { quickjs } from '../front.ts';
import { repository } from '../paths.ts';
import type { RootfsFiles } from './rootfs-image.ts';

/** Something of somebody else's that an image is made of. */
export interface Material {
  readonly name: string;
  readonly version: string;
  /** @see https://github.com/package-url/purl-spec */
  readonly purl: string;
  /** Of the archive that it was taken from, in hexadecimal. */
  readonly hash: { readonly algorithm: 'SHA-256' | 'SHA-512'; readonly value: string };
  /** An SPDX expression; undefined for Debian's packages, whose licences are in the image, in /usr/share/doc. */
  readonly licence?: string | undefined;
}

/** The Debian packages that something in the rootfs is from. */
export function rootfsMaterials({ manifest }: RootfsFiles): readonly Material[] {
  const { packages, architecture, suite } = manifest.rootfs;
  return packages.map((one) => debianMaterial({ ...one, architecture }, suite));
}

type DebianPackage = Pick<DebFile, 'name' | 'version' | 'architecture' | 'sha256'>;

function debianMaterial(one: DebianPackage, suite: string): Material {
  const { name, version, architecture, sha256 } = one;
  const place = `${encodeURIComponent(name)}@${encodeURIComponent(version)}`;
  const purl = `pkg:deb/debian/${place}?arch=${architecture}&distro=${suite}`;
  return { name, version, purl, hash: { algorithm: 'SHA-256', value: sha256 } };
}

/**
 * What the executable is compiled of, and the rootfs that it installs, whose packages its own programs are from.
 * @param musl the package with the C library of the front.
 */
export function nodeAgentMaterials(files: RootfsFiles, musl: DebianPackage): readonly Material[] {
  const libc = { ...debianMaterial(musl, muslSuite), licence: 'MIT' };
  return [...executableMaterials(), libc, ...rootfsMaterials(files)];
}

function executableMaterials(): readonly Material[] {
  const { version, sha256 } = quickjs;
  const engine: Material = {
    name: 'quickjs',
    version,
    purl: `pkg:deb/debian/quickjs@${version.replaceAll('-', '.')}?arch=source`,
    hash: { algorithm: 'SHA-256', value: sha256 },
    licence: 'MIT',
  };
  return [...npmMaterials(), engine];
}

interface Locked {
  readonly version: string;
  readonly integrity?: string;
  readonly license?: string;
  readonly dependencies?: Readonly<Record<string, string>>;
}

/** What package.json depends on, and all that depends on in turn; and bun, which is compiled in. */
function npmMaterials(): readonly Material[] {
  const lock = JSON.parse(readFileSync(`${repository}/package-lock.json`, 'utf8'));
  const packages: Readonly<Record<string, Locked | undefined>> = lock.packages;
  const found = new Map<string, Locked>();
  const take = (name: string, from: string): void => {
    const path = pathOf(name, from, packages);
    const locked = packages[path];
    if (locked === undefined)
      throw new Error(`package-lock.json lacks ${name}, for ${from || 'package.json'}`);
    // Types are compiled into nothing.
    if (found.has(path) || name.startsWith('@types/')) return;
    found.set(path, locked);
    for (const next of Object.keys(locked.dependencies ?? {})) take(next, path);
  };
  for (const name of Object.keys(packages['']?.dependencies ?? {})) take(name, '');
  const bun = packages['node_modules/bun'];
  if (bun !== undefined) found.set('node_modules/bun', { ...bun, dependencies: {} });
  const materials = [...found].map(([path, locked]) => npmMaterial(path, locked));
  // The same version may lie in several places.
  return [...new Map(materials.map((material) => [material.purl, material])).values()].sort(byPurl);
}

/** As Node.js looks for it: beside whoever asks, then further up. */
function pathOf(name: string, from: string, packages: Readonly<Record<string, unknown>>): string {
  for (
    let above = from;
    above !== '';
    above = above.slice(0, Math.max(0, above.lastIndexOf('/node_modules/')))
  ) {
    const nested = `${above}/node_modules/${name}`;
    if (nested in packages) return nested;
  }
  return `node_modules/${name}`;
}

function npmMaterial(path: string, { version, integrity = '', license }: Locked): Material {
  const name = path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length);
  const [, base64 = ''] = /^sha512-(.+)$/.exec(integrity) ?? [];
  if (base64 === '') throw new Error(`package-lock.json has no sha512 of ${name}`);
  const value = Buffer.from(base64, 'base64').toString('hex');
  const purl = `pkg:npm/${name.replace('@', '%40')}@${version}`;
  return { name, version, purl, hash: { algorithm: 'SHA-512', value }, licence: license };
}

function byPurl(a: Material, b: Material): number {
  return a.purl < b.purl ? -1 : 1;
}
