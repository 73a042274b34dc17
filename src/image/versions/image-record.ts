import { existsSync, readFileSync, rmSync } from 'node:fs';
import * as v from 'valibot';
import { MounterError } from '../../errors.ts';
import { exitCode } from '../../exit-codes.ts';
import { writeAtomically } from '../../host/replace.ts';
import { parseJsonText } from '../../json.ts';
import type { ImageContent } from '../content.ts';

/**
 * What an image says of how it is run, beside the directory that `install --into` has unpacked it to. Not in
 * it: there it would be the image's own file, and within reach of what runs in the image.
 */

const words = v.pipe(v.array(v.string()), v.readonly());
const recordSchema = v.object({
  formatVersion: v.literal(1),
  digest: v.string(),
  /** Those of the image's configuration: config.md of the OCI image specification. */
  entrypoint: words,
  cmd: words,
  env: words,
  workingDirectory: v.string(),
});
export type ImageRecord = v.InferOutput<typeof recordSchema>;

/** @param directory where the image is unpacked; absolute. */
export function imageRecordPath(directory: string): string {
  return `${directory}.image.json`;
}

/** A plain tar of a rootfs says nothing: what another image has left there is removed then. */
export function writeImageRecord(directory: string, { digest, config }: ImageContent): void {
  const path = imageRecordPath(directory);
  if (config === undefined) {
    rmSync(path, { force: true });
    return;
  }
  const { entrypoint, cmd, env, workingDirectory } = config;
  const record = { formatVersion: 1, digest, entrypoint, cmd, env, workingDirectory };
  writeAtomically(path, `${JSON.stringify(record, undefined, 2)}\n`, 0o644);
}

/**
 * @returns undefined where there is none.
 * @throws MounterError (system) for one that is damaged.
 */
export function readImageRecord(directory: string): ImageRecord | undefined {
  const path = imageRecordPath(directory);
  if (!existsSync(path)) return undefined;
  try {
    return v.parse(recordSchema, parseJsonText(readFileSync(path, 'utf8')));
  } catch (error) {
    throw new MounterError(`is no record of an image: ${(error as Error).message}`, {
      subject: path,
      status: exitCode.system,
      hint: 'remove it and name the command, or extract the image again with mounter install --into',
      cause: error,
    });
  }
}
