import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { MounterError } from '../../src/errors.ts';
import { exitCode } from '../../src/exit-codes.ts';
import { nearest } from '../../src/nearest.ts';
import { nativeArchitecture, openPrivateApt, type PrivateApt } from './apt.ts';
import type { ArchivePackage, DebFile } from './deb-file.ts';
import { absentFiles, debFile, download } from './download.ts';
import { readCodename } from './sources.ts';

export interface PackagesRequest {
  /** As apt-get(8) takes them: `NAME` or `NAME=VERSION`. */
  readonly names: readonly string[];
  readonly directory: string;
  /** The machine's own if left out. */
  readonly suite?: string;
  /** The machine's own if left out. */
  readonly architecture?: string;
  /** Only `names` themselves, without what they depend on. */
  readonly withoutDependencies?: boolean;
  /** Ask the archive again, even if an earlier answer lies in `directory`. */
  readonly refresh?: boolean;
  /** See openPrivateApt: for what never gets onto a node. */
  readonly mayBeOld?: boolean;
}

interface Lock {
  readonly request: string;
  readonly packages: readonly ArchivePackage[];
}

/**
 * The newest versions of `names` and of everything they depend on (no recommends), in `directory`, sorted by
 * name. A later call with the same request is answered from `directory` alone, without network.
 * @throws MounterError (system) with apt's reason: a package it does not know, a mirror out of reach.
 */
export async function fetchPackages(request: PackagesRequest): Promise<readonly DebFile[]> {
  const suite = request.suite ?? (await readCodename());
  const architecture = request.architecture ?? (await nativeArchitecture());
  const directory = resolve(request.directory);
  const names = [...request.names].sort();
  const key = JSON.stringify({ names, suite, architecture, alone: request.withoutDependencies === true });
  const cached = request.refresh === true ? undefined : await readLock(directory, key);
  if (cached !== undefined) return cached;

  await mkdir(directory, { recursive: true });
  const apt = await openPrivateApt(suite, architecture, request.mayBeOld);
  const packages = await resolveClosure(apt, names, request.withoutDependencies === true);
  const files = await download(apt, packages, directory);
  await writeLock(directory, { request: key, packages });
  return files;
}

/** What apt would install on a machine where nothing is installed, sorted by name. */
async function resolveClosure(
  apt: PrivateApt,
  names: readonly string[],
  alone: boolean,
): Promise<readonly ArchivePackage[]> {
  const args = alone ? ['download', '--print-uris'] : ['install', '-y', '--print-uris'];
  const listing = await apt.run('apt-get', [...args, ...names]).catch(async (error: Error) => {
    throw await explained(error, apt);
  });
  const packages = parsePrintUris(listing);
  return packages.toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

/** With the name that is meant, where apt knows no package of the name that is asked for. */
async function explained(error: Error, { run, suite, architecture }: PrivateApt): Promise<Error> {
  const [, strange] = /^Unable to locate package (\S+)$/.exec(error.message) ?? [];
  if (strange === undefined) return error;
  const meant = nearest(strange, (await run('apt-cache', ['pkgnames'])).split('\n'));
  return new MounterError(`${suite} has no package of this name for ${architecture}`, {
    subject: strange,
    status: exitCode.system,
    hint: `${meant === undefined ? '' : `did you mean ${meant}? `}Mend it where it is named, such as rootfs.include of rootfs-manifest.json`,
    cause: error,
  });
}

/** Lines of `apt-get --print-uris`, e.g. `'http://…/attr_2.5.1-4_amd64.deb' attr_1%3a2.5.1-4_amd64.deb 42 SHA256:e3…` */
export function parsePrintUris(text: string): readonly ArchivePackage[] {
  return text.split('\n').flatMap((line) => {
    const [, fileName = '', sha256 = ''] = /^'[^']*' (\S+\.deb) \d+ SHA256:([0-9a-f]{64})$/.exec(line) ?? [];
    const [name, version, architecture] = fileName.replace(/\.deb$/, '').split('_');
    if (name === undefined || version === undefined || architecture === undefined) return [];
    return [{ name, version: decodeURIComponent(version), architecture, sha256, fileName }];
  });
}

function lockPath(directory: string): string {
  return join(directory, 'packages.lock.json');
}

async function readLock(directory: string, request: string): Promise<readonly DebFile[] | undefined> {
  const text = await readFile(lockPath(directory), 'utf8').catch(() => undefined);
  if (text === undefined) return undefined;
  const lock = JSON.parse(text) as Lock;
  if (lock.request !== request) return undefined;
  const files = lock.packages.map((entry) => debFile(entry, directory));
  return (await absentFiles(files)).length === 0 ? files : undefined;
}

async function writeLock(directory: string, lock: Lock): Promise<void> {
  const temporary = `${lockPath(directory)}.${process.pid}`;
  await writeFile(temporary, `${JSON.stringify(lock, null, 2)}\n`);
  await rename(temporary, lockPath(directory));
}
