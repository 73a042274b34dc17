import * as system from 'system-calls';
import { calledByItself } from '../commands/called-by-itself.ts';
import { MounterError } from '../errors.ts';
import { exitCode } from '../exit-codes.ts';
import { callerMark } from '../host/child-environment.ts';
import { type HelperName, parseHelperArguments, parseMountArguments } from '../mount/arguments/argv.ts';
import { toMountRequest } from '../mount/arguments/request.ts';

/** What the front says where the full executable can't take over: a call that is not in order is told that first. */
export function withoutFull(
  command: string,
  argv: readonly string[],
  helperName: HelperName | undefined,
  full: string,
  reason: string,
): MounterError {
  if (command === '')
    return new MounterError('no command', {
      status: exitCode.usage,
      hint: 'mounter mount -t nfs SERVER:/EXPORT TARGET',
    });
  if (command === 'mount') {
    if (system.variable(callerMark) !== undefined) return calledByItself(helperName ?? command);
    try {
      const args =
        helperName === undefined ? parseMountArguments(argv) : parseHelperArguments(helperName, argv);
      if (!args.help) toMountRequest(args);
    } catch (error) {
      if (error instanceof MounterError) return error;
    }
  }
  return new MounterError(`cannot be started: ${reason}`, {
    subject: full,
    status: exitCode.system,
    hint: 'run the mounter that was downloaded: mounter install SOURCE places it again',
  });
}
