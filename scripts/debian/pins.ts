import { execFileSync } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { MounterError } from '../../src/errors.ts';
import { exitCode } from '../../src/exit-codes.ts';
import { openPrivateApt } from './apt.ts';
import { type ArchivePackage, type DebFile, parsePackageRecords } from './deb-file.ts';
import { absentFiles, debFile, download } from './download.ts';

/** A package of one architecture, or of `all`. */
export interface Pin {
  readonly name: string;
  readonly version: string;
  /** 64 hexadecimal digits. */
  readonly sha256: string;
}

export interface PinnedRequest {
  readonly pins: readonly Pin[];
  readonly directory: string;
  readonly suite: string;
  readonly architecture: string;
  /** Take the newest version, with a warning, where the archive no longer has the pinned one. */
  readonly allowNewer: boolean;
}

/**
 * The pinned packages in `directory`, each of exactly the version and sha256 asked for, in the order of the
 * pins. Nothing is downloaded, and no network used, when all of them are there already.
 * @throws MounterError (system) that names the package that the archive no longer has.
 */
export async function fetchPinned(request: PinnedRequest): Promise<readonly DebFile[]> {
  await mkdir(request.directory, { recursive: true });
  const cached = await cachedPins(request);
  if (cached !== undefined) return cached;
  const apt = await openPrivateApt(request.suite, request.architecture);
  const names = request.pins.map((pin) => pin.name);
  // A name the archive does not know is left out of the output and checked below, not an error here.
  const records = parsePackageRecords(await apt.run('apt-cache', ['show', ...names]).catch(() => ''));
  const wanted = request.pins.map((pin) => choose(pin, records, request));
  return download(apt, wanted, request.directory);
}

/**
 * The newest version of each of `names`, by the archive's index alone: nothing is downloaded.
 * @throws MounterError (system) that names the package that the archive does not have.
 */
export async function newestPins(
  names: readonly string[],
  suite: string,
  architecture: string,
): Promise<Pin[]> {
  if (names.length === 0) return [];
  const apt = await openPrivateApt(suite, architecture);
  const records = parsePackageRecords(await apt.run('apt-cache', ['show', ...names]));
  return names.map((name) => {
    const newest = records.find((record) => record.name === name);
    if (newest === undefined) throw unknownError(name, suite, architecture);
    return { name, version: newest.version, sha256: newest.sha256 };
  });
}

/** A pin does not say whether its package is `all`; either file name will do. */
async function cachedPins(request: PinnedRequest): Promise<readonly DebFile[] | undefined> {
  const candidates = request.pins.flatMap((pin) =>
    [request.architecture, 'all'].map((architecture) => pinnedFile(pin, architecture, request.directory)),
  );
  const absent = new Set(await absentFiles(candidates));
  const present = candidates.filter((file) => !absent.has(file));
  return present.length === request.pins.length ? present : undefined;
}

function pinnedFile(pin: Pin, architecture: string, directory: string): DebFile {
  const fileName = `${pin.name}_${pin.version.replaceAll(':', '%3a')}_${architecture}.deb`;
  return debFile({ ...pin, architecture, fileName }, directory);
}

/** What to take from the archive's `records` for `pin`; pure. */
export function choose(
  pin: Pin,
  records: readonly ArchivePackage[],
  request: Pick<PinnedRequest, 'suite' | 'allowNewer'>,
): ArchivePackage {
  const versions = records.filter((record) => record.name === pin.name);
  const exact = versions.find((record) => record.version === pin.version && record.sha256 === pin.sha256);
  if (exact !== undefined) return exact;
  const [newest] = versions;
  if (newest !== undefined && isOlder(newest.version, pin.version))
    throw olderError(pin, newest.version, request.suite);
  // The same version with other bytes is no update but a mirror not to trust, whatever was asked for.
  if (!request.allowNewer || newest === undefined || newest.version === pin.version)
    throw goneError(pin, newest, request.suite);
  process.stderr.write(`warning: ${pin.name}: ${pin.version} is gone, ${newest.version} taken instead\n`);
  return newest;
}

/** By dpkg's own order. */
export function isOlder(version: string, than: string): boolean {
  try {
    execFileSync('dpkg', ['--compare-versions', version, 'lt', than]);
    return true;
  } catch {
    return false;
  }
}

/**
 * Refuses to go back: an archive that has only an older version lacks the security updates.
 * @throws MounterError (system) for the first of `packages` that is older than its pin.
 */
export function refuseOlder(packages: readonly Pin[], pins: readonly Pin[], suite: string): void {
  for (const { name, version } of packages) {
    const pin = pins.find((one) => one.name === name);
    if (pin !== undefined && isOlder(version, pin.version)) throw olderError(pin, version, suite);
  }
}

export function olderError(pin: Pin, version: string, suite: string): MounterError {
  return new MounterError(`${pin.version} is pinned, and the archives of this machine have only ${version}`, {
    subject: pin.name,
    status: exitCode.system,
    hint: `add the security archive, ${suite}-security, to the sources in /etc/apt`,
  });
}

function goneError(pin: Pin, newest: ArchivePackage | undefined, suite: string): MounterError {
  const has = newest === undefined ? 'does not have this package' : `has ${newest.version}`;
  const same = newest?.version === pin.version ? ' with another sha256' : '';
  return new MounterError(`the archive no longer has version ${pin.version}: ${suite} ${has}${same}`, {
    subject: pin.name,
    status: exitCode.system,
    hint: 'npm run rootfs -- --update-pins takes what the archive has now',
  });
}

function unknownError(name: string, suite: string, architecture: string): MounterError {
  return new MounterError(`${suite} does not have this package for ${architecture}`, {
    subject: name,
    status: exitCode.system,
    hint: `take ${architecture} out of rootfs.architecture, or ask apt-cache policy ${name} of a machine of that architecture`,
  });
}
