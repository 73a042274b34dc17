import { MounterError, policyError } from '../../errors.ts';
import { exitCode } from '../../exit-codes.ts';
import { mostReadAheadKib } from '../../manifest/filesystem-kinds.ts';
import type { Filesystem } from '../../manifest/manifest.ts';
import { lastOption, parseOptions } from '../arguments/options.ts';
import type { MountRequest } from '../arguments/request.ts';
import type { SetReadAhead } from '../plan-data.ts';

/** The one option of a volume that is for us. Like all that begin with `x-`, no helper gets it. */
const option = 'x-mounter.read-ahead';

/** Whether that is in it, in whatever spelling somebody may have tried. */
const mayBeOurs = /x-mounter\b/i;

/**
 * The step that gives a mount the read-ahead which its volume, or else the settings of the node, want.
 * @throws MounterError (usage) for an option that is none, and for one that an inline volume has: its author would
 *   change the mounts of others, for mounts of one export share a filesystem.
 */
export function readAheadStep(
  { options, asker }: Pick<MountRequest, 'options' | 'asker'>,
  { readAheadKib }: Pick<Filesystem, 'readAheadKib'>,
): SetReadAhead | undefined {
  const kib = mayBeOurs.test(options) ? readAheadOf(options) : undefined;
  if (kib === undefined)
    return readAheadKib === undefined
      ? undefined
      : { kind: 'setReadAhead', kib: readAheadKib, isOfVolume: false };
  if (asker?.kind !== 'inline') return { kind: 'setReadAhead', kib, isOfVolume: true };
  throw policyError(
    option,
    'a volume that is inline in a Pod may not choose it, for it would change the mounts of others too',
    'leave it out, or use a PersistentVolume; whoever runs the node can set filesystems.TYPE.readAheadKib for all',
  );
}

/** In KiB, of the last such option. @returns undefined where there is none. @throws MounterError (usage) */
export function readAheadOf(options: string): number | undefined {
  const own = parseOptions(options).filter(({ name }) => mayBeOurs.test(name));
  const strange = own.find(({ name }) => name !== option);
  // Another name may hold anything: the half of a quoted value, say.
  if (strange !== undefined) {
    const named = /^x-mounter\.[\w-]{1,40}$/i.test(strange.name) ? strange.name : 'x-mounter';
    throw badOption(named, 'there is no such option', `did you mean ${option}=KIB? It is all there is`);
  }
  const value = lastOption(own, option)?.value;
  if (own.length === 0) return undefined;
  if (value !== undefined && /^\d{1,5}$/.test(value) && Number(value) <= mostReadAheadKib)
    return Number(value);
  throw badOption(
    option,
    `is a whole number of KiB from 0 to ${mostReadAheadKib}`,
    `write ${option}=1024 for 1 MiB, or leave it out`,
  );
}

function badOption(subject: string, message: string, hint: string): MounterError {
  return new MounterError(message, { subject, status: exitCode.usage, errorClass: 'bad-option', hint });
}
