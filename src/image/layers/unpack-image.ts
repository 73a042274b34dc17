import { MounterError } from '../../errors.ts';
import { exitCode } from '../../exit-codes.ts';
import { asSystemError } from '../../host/system-error.ts';
import type { ImageContent, Layer } from '../content.ts';
import { EntryError } from './entry-path.ts';
import { LayerReader } from './layer-reader.ts';
import { type LayerLimits, layerLimits } from './limits.ts';
import type { SystemCalls } from './system-calls.ts';

/**
 * Unpacks an image's layers into `root`, an existing directory, with all that tar keeps: types, owners, modes,
 * times, xattrs, hard links, devices, holes. Nothing is written outside `root`, whatever the layers say; nobody
 * else may write to it meanwhile. After a failure it is in no defined state: the caller removes it.
 * @param calls by libc if left out.
 * @throws MounterError (system) that names the reference and the layer.
 */
export async function unpackImage(
  { reference, layers }: ImageContent,
  root: string,
  limits: LayerLimits = layerLimits,
  calls?: SystemCalls,
): Promise<void> {
  const byLibc = async () => (await import('./system-calls.ts')).libcCalls;
  const reader = new LayerReader(root, calls ?? (await byLibc()), limits);
  for (const layer of layers) {
    try {
      const digest = await reader.read(() => layer.open());
      if (layer.diffId !== undefined && digest !== layer.diffId) throw wrongDigest(layer.diffId, digest);
    } catch (error) {
      throw layerError(error, reference, layer);
    }
  }
  reader.finish();
}

function wrongDigest(wanted: string, found: string): MounterError {
  return new MounterError(
    `its uncompressed digest is ${found}, but the image's configuration says ${wanted}`,
    {
      status: exitCode.system,
      hint: 'the image is damaged where it comes from: build and push it again',
    },
  );
}

/** The source's errors name the reference already; any other has it and the layer put before it. */
function layerError(error: unknown, reference: string, { digest }: Layer): MounterError {
  if (error instanceof MounterError && !(error instanceof EntryError) && error.subject !== undefined)
    return error;
  const { message, hint } = wordsOf(asSystemError(error));
  return new MounterError(`layer ${digest}: ${message}`, {
    subject: reference,
    status: exitCode.system,
    hint: hint ?? 'try again; if it comes again, look at the directory it is unpacked to',
    cause: error,
  });
}

function wordsOf(error: unknown): { readonly message: string; readonly hint: string | undefined } {
  if (error instanceof EntryError) return { message: `${error.subject}: ${error.message}`, hint: error.hint };
  if (error instanceof MounterError) return error;
  const why = error instanceof Error ? error.message : String(error);
  return {
    message: `is not a tar, or is damaged: ${why}`,
    hint: 'the image is damaged where it comes from: build and push it again',
  };
}
