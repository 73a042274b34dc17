import { type MounterError, policyError } from '../../errors.ts';
import { isOddAddress } from '../../ip-address.ts';
import type { AllowedSource } from '../../manifest/policy.ts';
import { isServer } from '../../manifest/server-pattern.ts';
import type { Asked, FilesystemDriver, SourcePlace } from '../filesystems/filesystem-driver.ts';
import { type Asker, isFor, refusalOf, unknownAsker } from './asker.ts';

/**
 * Holds what a mount asks for, and for whom, against `policy.sources` of the manifest. Pure: no name is resolved, so
 * that a name is no address of a range, whoever answers for it.
 * @throws MounterError (usage, class policy) that names the source and what of it is not allowed.
 */
export function checkSource(
  driver: FilesystemDriver,
  request: Asked & { readonly asker?: Asker },
  sources: readonly AllowedSource[] | undefined,
): void {
  const { fstype, source, asker = unknownAsker } = request;
  if (sources === undefined && asker.kind !== 'inline') return;
  const entries = (sources ?? [{}]).filter(({ types }) => types === undefined || types.includes(fstype));
  const refusalBy = (one: Asker) =>
    refusalOfPlaces(
      driver,
      request,
      entries.filter((entry) => isFor(entry, one)),
    );
  const refusal = refusalBy(asker);
  if (refusal === undefined) return;
  if (refusalBy({ kind: 'staging' }) !== undefined) throw refusal;
  const [message, hint] = refusalOf(asker, refusalBy({ ...asker, kind: 'pod' }) === undefined);
  throw policyError(source, `${message} (policy.sources of the settings)`, hint);
}

function refusalOfPlaces(
  driver: FilesystemDriver,
  request: Asked,
  entries: readonly AllowedSource[],
): MounterError | undefined {
  // An entry that names nothing of a source allows every one.
  if (entries.some(({ server, path, volume }) => (server ?? path ?? volume) === undefined)) return undefined;
  const { source } = request;
  const places = driver.places(request);
  if (places === undefined) return refused(source, untold(driver), entries, undefined);
  const place = places.find((one) => !entries.some((entry) => isAllowed(entry, one)));
  return place && refused(source, `${place.says} is none of those allowed on this node`, entries, place);
}

function untold({ options }: FilesystemDriver): string {
  return options.isReaderKnown
    ? 'which server and directory the source and its options lead to cannot be told'
    : 'where a source of this type leads is not known, so that only an entry with nothing but its type can allow it';
}

function isAllowed({ server, path, volume }: AllowedSource, place: SourcePlace): boolean {
  if (server !== undefined && !isServer(server, place.server)) return false;
  return isWithin(path, place.path) && isWithin(volume, place.volume);
}

/** By whole parts: `/a/b` is within `/a`, and `/ab` is not; everything is within an undefined prefix. */
function isWithin(prefix: string | undefined, directory: string | undefined): boolean {
  if (prefix === undefined || directory === undefined) return prefix === undefined;
  const wanted = prefix.split('/').filter((part) => part !== '');
  const parts = directory.split('/').filter((part) => part !== '' && part !== '.');
  return wanted.every((part, index) => part === parts[index]);
}

function refused(
  source: string,
  message: string,
  entries: readonly AllowedSource[],
  place: SourcePlace | undefined,
): MounterError {
  return policyError(source, `${message} (policy.sources of the settings)`, hint(entries, place));
}

function hint(entries: readonly AllowedSource[], place: SourcePlace | undefined): string {
  if (place !== undefined && isOddAddress(place.server))
    return 'write the address as four decimal numbers without leading zeros, such as 10.0.0.5';
  const shown = entries.slice(0, shownEntries).map(entryText);
  const more = entries.length > shownEntries ? ` and ${entries.length - shownEntries} more` : '';
  const byAddress = entries.some(({ server }) => server?.includes('/'))
    ? '; a range takes addresses alone, and no name'
    : '';
  return entries.length === 0
    ? 'mount nothing of this type here: whoever runs the node can add the source to policy.sources'
    : `mount one of those allowed: ${shown.join(', ')}${more}${byAddress}`;
}

/** An event of a Pod has room for about as many. */
const shownEntries = 8;

/** As a source is written, with `*` for what may be anything. */
function entryText({ server = '*', path, volume }: AllowedSource): string {
  const host = server.includes(':') ? `[${server}]` : server;
  if (volume !== undefined) return `${host}:${volume}`;
  return path === undefined ? `${host}:*` : `${host}:${path}`;
}
