import { MounterError } from '../../src/errors.ts';
import { exitCode } from '../../src/exit-codes.ts';
import { openPrivateApt } from './apt.ts';
import { isOlder, olderError, type Pin } from './pins.ts';

/** A package of which the archives have a newer version than the one that is pinned. */
export interface Update {
  readonly name: string;
  readonly pinned: string;
  readonly newest: string;
  /** The security archive has a newer one than the pinned, whether or not the newest is from there. */
  readonly isSecurity: boolean;
}

interface Offer {
  readonly name: string;
  readonly version: string;
  /** Such as `trixie-security`. */
  readonly suite: string;
}

/**
 * Those of `pins` that the archives have newer ones of, by the newest package lists.
 * @throws MounterError (system) where that cannot be told: no security archive, or one that has only older ones.
 */
export async function findUpdates(
  pins: readonly Pin[],
  suite: string,
  architecture: string,
): Promise<readonly Update[]> {
  const apt = await openPrivateApt(suite, architecture);
  if (!apt.hasSecurity) throw noSecurityArchive(suite);
  const offers = parseMadison(await apt.run('apt-cache', ['madison', ...pins.map(({ name }) => name)]));
  return pins.flatMap((pin) => newerThan(pin, offers, suite) ?? []);
}

/** Pure but for dpkg's comparison of versions. @throws MounterError where all that is offered is older. */
function newerThan(pin: Pin, offers: readonly Offer[], suite: string): Update | undefined {
  const own = offers.filter(({ name }) => name === pin.name);
  const newer = own.filter(({ version }) => version !== pin.version && isOlder(pin.version, version));
  const newest = newer.reduce<Offer | undefined>(
    (found, one) => (found === undefined || isOlder(found.version, one.version) ? one : found),
    undefined,
  );
  if (newest === undefined) {
    if (own.some(({ version }) => version === pin.version)) return undefined;
    throw olderError(pin, own[0]?.version ?? 'none', suite);
  }
  const isSecurity = newer.some((one) => one.suite.endsWith('-security'));
  return { name: pin.name, pinned: pin.version, newest: newest.version, isSecurity };
}

/** Lines of `apt-cache madison`, e.g. ` libc6 | 2.41-12 | http://… trixie-security/main amd64 Packages` */
export function parseMadison(text: string): readonly Offer[] {
  const lines = text.matchAll(/^ *(\S+) \| *(\S+) \| \S+ ([^\s/]+)\/\S+ \S+ Packages$/gm);
  return [...lines].map(([, name = '', version = '', suite = '']) => ({ name, version, suite }));
}

function noSecurityArchive(suite: string): MounterError {
  return new MounterError(`the sources of this machine have no security archive of ${suite}`, {
    subject: '/etc/apt',
    status: exitCode.system,
    hint: `add ${suite}-security, or that of this machine's own release, to the sources in /etc/apt`,
  });
}
