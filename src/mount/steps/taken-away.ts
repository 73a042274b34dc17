import { isErrnoException } from '../../host/system-error.ts';

/** What umount2(2) refuses once it need not refuse again. */
const maximumTries = 3;

/**
 * Takes a mount away that is not to stay. A refusal must not hide why it is not to stay.
 * @returns undefined, or the name of the errno that it was refused with each time.
 */
export function refusalOf(detach: () => void): string | undefined {
  for (let tries = 1; ; tries += 1) {
    try {
      detach();
      return undefined;
    } catch (error) {
      if (!isErrnoException(error)) throw error;
      if (tries === maximumTries) return error.code ?? error.message;
    }
  }
}
