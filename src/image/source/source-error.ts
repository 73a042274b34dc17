import { MounterError } from '../../errors.ts';
import { exitCode } from '../../exit-codes.ts';

/** What is wrong with the image `reference`: one sentence, and the next action. */
export function sourceError(reference: string, message: string, hint: string, cause?: unknown): MounterError {
  return new MounterError(message, { subject: reference, status: exitCode.system, hint, cause });
}
