import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { MounterError } from '../../src/errors.ts';
import { exitCode } from '../../src/exit-codes.ts';
import type { Manifest } from '../../src/manifest/manifest.ts';
import type { Architecture } from '../architectures.ts';
import {
  type DebFile,
  fetchPackages,
  fetchPinned,
  nativeArchitecture,
  newestPins,
  type Pin,
  refuseOlder,
  unpackInto,
} from '../debian.ts';
import { withScratch } from '../scratch.ts';
import { digestOf, tarOf } from './archive.ts';
import { type Contents, describeContents, withContents } from './contents.ts';
import { joined } from './optional.ts';
import { contributingPackages, pinsOf } from './packages.ts';
import { architecturesOf, type OneManifest, type OneRootfs, ofArchitecture, withPins } from './pins.ts';
import { selectEntries } from './tree.ts';
import { workspace } from './workspace.ts';

/** The rootfs must fit on nodes whose disk is small: the sum of its files, in bytes. */
const largestRootfs = 50e6;

/** Never taken, and much of what there is to write to the disk. */
const neverUnpacked = ['man', 'locale', 'info', 'perl', 'python3'].map((name) => `./usr/share/${name}`);

/** A rootfs that was built. */
export interface BuiltRootfs {
  /** Uncompressed. */
  readonly tar: Buffer;
  /** Of `tar`; the rootfs's identity. */
  readonly digest: string;
  readonly contents: Contents;
  /** What it was really made of. */
  readonly packages: readonly Pin[];
}

/** The rootfs of `manifest`, from its pinned packages. @throws MounterError */
export async function buildRootfs(manifest: OneManifest, allowNewer: boolean): Promise<BuiltRootfs> {
  const { packages: pins, suite, architecture, epoch = 0 } = manifest.rootfs;
  if (pins.length === 0) throw noPinsError();
  const debs = await fetchPinned({ pins, directory: workspace.debs, suite, architecture, allowNewer });
  return await withScratch(workspace.builds, async (scratch) => {
    const root = join(scratch, 'packages');
    await unpackInto(debs, root, neverUnpacked);
    const entries = await selectEntries(root, manifest.rootfs, names(debs));
    const contents = describeContents(manifest, debs, entries);
    checkSize(contents);
    const tar = await tarOf(withContents(entries, contents), epoch);
    return { tar, digest: digestOf(tar), contents, packages: pinsOf(debs) };
  });
}

/** `rootfs` with pins for what the archive has now, and without the digests of what was built before. */
export async function withNewPins(rootfs: Manifest['rootfs']): Promise<Manifest['rootfs']> {
  const native = await nativeArchitecture();
  const [first, ...others] = architecturesOf(rootfs).toSorted((a) => (a === native ? -1 : 1));
  if (first === undefined) throw noPinsError();
  const chosen = await newPins(ofArchitecture(rootfs, first));
  const pinned = new Map<Architecture, OneRootfs>([[first, chosen]]);
  for (const other of others) pinned.set(other, await samePackages(chosen, other));
  for (const [architecture, { packages, suite }] of pinned)
    refuseOlder(packages, ofArchitecture(rootfs, architecture).packages, suite);
  return withPins(rootfs, pinned);
}

async function newPins(rootfs: OneRootfs): Promise<OneRootfs> {
  const packages = await resolvePins(rootfs);
  const { optional } = rootfs;
  if (optional === undefined) return { ...rootfs, packages };
  const pinned: typeof optional = {};
  for (const [kind, one] of Object.entries(optional)) {
    const all = await resolvePins(joined(rootfs, one));
    pinned[kind] = { ...one, packages: all.filter(({ name }) => packages.every((pin) => pin.name !== name)) };
  }
  return { ...rootfs, packages, optional: pinned };
}

/** Which package a program's libraries are from is the same everywhere: its loader runs on one architecture alone. */
async function samePackages(rootfs: OneRootfs, architecture: Architecture): Promise<OneRootfs> {
  const { suite, optional } = rootfs;
  const newest = async (packages: readonly Pin[]) => await newestPins(names(packages), suite, architecture);
  const one = { ...rootfs, architecture, packages: await newest(rootfs.packages) };
  if (optional === undefined) return one;
  const pinned: typeof optional = {};
  for (const [kind, all] of Object.entries(optional))
    pinned[kind] = { ...all, packages: await newest(all.packages) };
  return { ...one, optional: pinned };
}

/**
 * Pins for `rootfs.include` as the archive is now: of the packages that apt resolves, those that the rootfs
 * takes something from, licences included.
 */
async function resolvePins(rootfs: OneRootfs): Promise<Pin[]> {
  const { include, suite, architecture } = rootfs;
  await mkdir(workspace.debs, { recursive: true });
  const request = { names: include, directory: workspace.debs, suite, architecture, refresh: true };
  const debs = await fetchPackages(request);
  return await withScratch(workspace.builds, async (scratch) => {
    await unpackInto(debs, scratch, neverUnpacked);
    const programs = await contributingPackages(debs, await selectEntries(scratch, rootfs, []));
    // A package's doc directory may be a link into another package's.
    const licensed = await selectEntries(scratch, rootfs, names(programs));
    return pinsOf(await contributingPackages(debs, licensed));
  });
}

function names(debs: readonly Pick<DebFile, 'name'>[]): readonly string[] {
  return debs.map((deb) => deb.name);
}

function checkSize(contents: Contents): void {
  if (contents.unpackedBytes <= largestRootfs) return;
  throw new MounterError(`${contents.unpackedBytes} bytes unpacked, more than ${largestRootfs}`, {
    subject: contents.name,
    status: exitCode.system,
    hint: 'take something out of rootfs.files, or add it to rootfs.exclude',
  });
}

function noPinsError(): MounterError {
  return new MounterError('rootfs.packages: no package is pinned', {
    subject: workspace.manifest,
    status: exitCode.system,
    hint: 'npm run rootfs -- --update-pins',
  });
}
