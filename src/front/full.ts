import * as system from 'system-calls';
import { MounterError } from '../errors.ts';
import { exitCode } from '../exit-codes.ts';
import type { Outcome } from '../host/host.ts';
import { calledByFront, callerMark, environment as usual } from '../host/programs.ts';
import type { NodeSettings } from '../manifest/manifest.ts';
import type { SettingsAnswer } from '../node/settings.ts';
import { startCommand, variablesOf } from './child.ts';
import { fullExecutable } from './globals.ts';
import { runCommand } from './run-command.ts';

/** What the full executable does for the front: it takes its place, or is run as any other program. */

/** It takes this process's place. @param words its argv, or how many of ours it gets not. @throws MounterError (system) */
export function becomeFull(words: number | readonly string[]): never {
  refuseFront();
  throw notStarted(-system.replace(fullExecutable(), words));
}

/**
 * A front in its place, of whatever version, would hand everything over to itself, for ever.
 * @throws MounterError (system)
 */
function refuseFront(): void {
  if (!system.isStatic(fullExecutable())) return;
  throw new MounterError('is the front, not the full executable', {
    subject: fullExecutable(),
    status: exitCode.system,
    hint: placeAgain,
  });
}

const placeAgain = 'run the mounter that was downloaded: mounter install SOURCE places it again';

function notStarted(errno: number): MounterError {
  const [, reason] = system.errorNames(errno);
  return new MounterError(`cannot be started: ${reason}`, {
    subject: fullExecutable(),
    status: exitCode.system,
    hint: placeAgain,
  });
}

/** To read and check the manifest takes it 0.1 s; a node that is short of processors, many times that. */
const settingsMs = 30_000;

/**
 * Has it read and check the manifest, and leave it as checked for the calls to come.
 * @throws MounterError for a manifest that is missing or not valid, and where nobody can say.
 */
export async function settingsByFull(): Promise<NodeSettings> {
  const { endedBy, output, status } = await runFull(['status', '--checked-settings'], settingsMs);
  if (endedBy === 'interrupt')
    throw new MounterError('interrupted before the settings were read', { status: exitCode.interrupted });
  const { settings, failure } = parseAnswer(output);
  if (settings !== undefined) return settings;
  if (failure !== undefined) throw new MounterError(failure.message, failure);
  throw new MounterError(
    endedBy === 'deadline'
      ? `has not read the settings within ${settingsMs / 1000} s`
      : `could not read the settings: status ${status}`,
    {
      subject: fullExecutable(),
      status: exitCode.system,
      helperOutput: output,
      hint: placeAgain,
    },
  );
}

function parseAnswer(output: string): Partial<SettingsAnswer> {
  try {
    return JSON.parse(output);
  } catch {
    return {};
  }
}

/**
 * Runs one of its commands to its end.
 * @param input its stdin; -1 for an empty one.
 * @throws MounterError (system) when it cannot be started.
 */
export async function runFull(argv: readonly string[], deadlineMs: number, input = -1): Promise<Outcome> {
  refuseFront();
  const path = fullExecutable();
  const found = system.access(path, system.X_OK);
  if (found < 0) throw notStarted(-found);
  const { MOUNTER_HOME, MOUNTER_MANIFEST } = process.env;
  const environment = { ...usual, [callerMark]: calledByFront, MOUNTER_HOME, MOUNTER_MANIFEST };
  return runCommand(
    { argv: [path, ...argv], deadlineMs, terminateMs: 1000 },
    (command, output) => startCommand(command, output, variablesOf(environment), input),
    Number.MAX_SAFE_INTEGER,
  );
}
