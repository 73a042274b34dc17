import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { writeAtomically } from '../host/files.ts';
import { type Called, type CallOnHost, seenFromHost } from './on-host.ts';
import {
  manifestPath,
  outcomePath,
  scratchDirectory,
  settingsPath,
  toolsDigest,
  toolsImage,
  toolsManifest,
} from './places.ts';
import { applySettings } from './settings.ts';

/** What a round makes of the node: the tools installed and the node prepared; turned off; or all undone. */
export type Outcome = 'prepared' | 'off' | 'removed';

export interface Duties {
  /** mount(8)'s helpers too. */
  readonly helpers: boolean;
  /** Undo instead of do. */
  readonly remove: boolean;
}

/** One call on the host: a step of a round. */
export interface Step {
  readonly name: string;
  readonly argv: readonly string[];
}

/** Told of each step that ended. */
export type Report = (step: Step, called: Called) => void;

/**
 * One round: what is in order already stays as it is, so that a second round changes nothing.
 * @returns undefined when a step failed, or `signal` came; the next round begins from the first step.
 * @throws MounterError for settings that are not valid; nothing is done then, and the node is not ready.
 */
export async function runRound(
  duties: Duties,
  call: CallOnHost,
  report: Report,
  signal?: AbortSignal,
): Promise<Outcome | undefined> {
  const { steps, outcome } = planOrForget(duties);
  for (const step of steps) {
    const called = await call(step.argv, signal);
    if (signal?.aborted === true) return undefined;
    report(step, called);
    if (called.status !== 0) return forget();
  }
  mkdirSync(scratchDirectory, { recursive: true });
  writeAtomically(outcomePath, outcome, 0o644);
  return outcome;
}

function planOrForget(duties: Duties): ReturnType<typeof planRound> {
  try {
    return planRound(duties);
  } catch (error) {
    forget();
    throw error;
  }
}

function forget(): undefined {
  rmSync(outcomePath, { force: true });
}

/** What the last round came to. @returns undefined when it failed, or none has ended yet. */
export function lastOutcome(): Outcome | undefined {
  const text = existsSync(outcomePath) ? readFileSync(outcomePath, 'utf8') : '';
  return (['prepared', 'off', 'removed'] as const).find((outcome) => outcome === text);
}

/** The settings as they are now; '' where there are none. */
export function readSettings(): string {
  return existsSync(settingsPath) ? readFileSync(settingsPath, 'utf8') : '';
}

function planRound({ helpers, remove }: Duties): {
  readonly steps: readonly Step[];
  readonly outcome: Outcome;
} {
  const removeHelpers = { name: 'helpers', argv: ['install', '--remove-helpers'] };
  if (remove) return { steps: [removeHelpers, { name: 'teardown', argv: ['teardown'] }], outcome: 'removed' };
  const { enabled } = writeManifest();
  const installHelpers = { name: 'helpers', argv: ['install', '--helpers'] };
  // Where the mounter is off, mount(8) is to say what it would say without us.
  const helperSteps = helpers ? [enabled ? installHelpers : removeHelpers] : [];
  return {
    steps: [
      { name: 'install', argv: installArgv() },
      { name: 'prepare', argv: ['prepare'] },
      ...helperSteps,
      { name: 'prune', argv: ['prune'] },
    ],
    outcome: enabled ? 'prepared' : 'off',
  };
}

function installArgv(): readonly string[] {
  const digest = readFileSync(toolsDigest, 'utf8').trim();
  const manifest = ['--manifest', seenFromHost(manifestPath)];
  return ['install', seenFromHost(toolsImage), '--digest', digest, ...manifest];
}

function writeManifest(): { readonly enabled: boolean } {
  const { text, manifest } = applySettings(readFileSync(toolsManifest, 'utf8'), readSettings(), settingsPath);
  mkdirSync(scratchDirectory, { recursive: true });
  writeAtomically(manifestPath, text, 0o644);
  return manifest;
}
