import { MounterError } from '../../errors.ts';
import { exitCode } from '../../exit-codes.ts';

/**
 * The error for a call that can't be understood: mount(8)'s status 1.
 *
 * Neither text may repeat the value of an option or an operand: a password may stand in any of them
 * (`-o user=x, password=y` makes `password=y` an operand), and what we print becomes a Pod's event.
 */
export function usageError(subject: string | undefined, message: string, hint: string): MounterError {
  return new MounterError(message, { status: exitCode.usage, subject, hint });
}
