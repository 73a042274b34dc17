import { MounterError } from '../errors.ts';
import { exitCode } from '../exit-codes.ts';

/** A rootfs whose helper is mounter again, by whatever mistake, would go on for ever. */
export function calledByItself(name: string): MounterError {
  return new MounterError('is mounter itself, and it was mounter that called it as a mount helper', {
    subject: name,
    status: exitCode.system,
    hint: 'the rootfs has to hold the real helper: run mounter install SOURCE, and see where MOUNTER_HOME leads',
  });
}
