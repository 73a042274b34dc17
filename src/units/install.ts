import { lstatSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { MounterError } from '../errors.ts';
import { exitCode } from '../exit-codes.ts';
import { fileHost } from '../host/file-host.ts';
import { writeAtomically } from '../host/replace.ts';
import { runProgram } from '../host/run-program.ts';
import { unitDirectory } from '../lock-services/lock-services.ts';
import { mark, type Unit } from './units.ts';

/** Putting units where systemd finds them, and taking them away. Every step looks first. */

/** '' is this node, with its systemd; another directory is a node's disk or image, where nothing is started. */
export interface UnitPlace {
  readonly root: string;
}

/**
 * Writes the units, enables those that are for boot, and on this node starts what a running node lacks.
 * @returns what was done, a line each; nothing where all was in place.
 * @throws MounterError (system) for a file of that name that is not ours, before anything is changed; or with
 *   systemctl's own words.
 */
export async function installUnits(units: readonly Unit[], place: UnitPlace): Promise<readonly string[]> {
  for (const unit of units) refuseForeign(pathOf(unit, place));
  const done: string[] = [];
  mkdirSync(`${place.root}${unitDirectory}`, { recursive: true, mode: 0o755 });
  for (const unit of units.filter((unit) => textOf(unit, place) !== unit.text)) {
    writeAtomically(pathOf(unit, place), unit.text, 0o644);
    done.push(`wrote ${pathOf(unit, place)}`);
  }
  if (isNode(place)) await reloadWhereNeeded(units, done.length > 0);
  for (const unit of units.filter(({ isEnabled }) => isEnabled)) {
    if (await asks(place, 'is-enabled', unit)) continue;
    await systemctl(place, 'enable', unit.fileName);
    done.push(`enabled ${unit.fileName}`);
  }
  for (const unit of units.filter(({ isStarted }) => isStarted && isNode(place))) {
    if (await asks(place, 'is-active', unit)) continue;
    await systemctl(place, 'start', unit.fileName);
    done.push(`started ${unit.fileName}`);
  }
  return done;
}

/**
 * Disables the units and removes their files. What runs goes on: volumes and their locks need it.
 * @returns what was done, a line each.
 */
export async function removeUnits(units: readonly Unit[], place: UnitPlace): Promise<readonly string[]> {
  const installed = units.filter((unit) => textOf(unit, place) !== undefined);
  for (const unit of installed) refuseForeign(pathOf(unit, place));
  for (const unit of installed) {
    // Also where only a link to it is left from an earlier removal.
    if (unit.isEnabled) await systemctl(place, 'disable', unit.fileName);
    rmSync(pathOf(unit, place));
  }
  if (installed.length > 0 && isNode(place)) await systemctl(place, 'daemon-reload');
  return installed.map((unit) => `removed ${pathOf(unit, place)}`);
}

/** A run that was killed may have written the file, and not have reloaded. */
async function reloadWhereNeeded(units: readonly Unit[], hasChanged: boolean): Promise<void> {
  const names = units.map(({ fileName }) => fileName);
  const shown = await runProgram('systemctl', ['show', '--property=NeedDaemonReload,LoadState', ...names]);
  if (hasChanged || /^NeedDaemonReload=yes|^LoadState=not-found/m.test(shown))
    await runProgram('systemctl', ['daemon-reload']);
}

async function asks(place: UnitPlace, question: 'is-enabled' | 'is-active', unit: Unit): Promise<boolean> {
  return systemctl(place, question, '--quiet', unit.fileName).then(
    () => true,
    () => false,
  );
}

/** Long enough for the start of a unit that waits for its turn. */
const systemctlMs = 150_000;

function systemctl(place: UnitPlace, ...args: readonly string[]): Promise<string> {
  const root = isNode(place) ? [] : [`--root=${place.root}`];
  return runProgram('systemctl', [...root, ...args], systemctlMs);
}

function isNode({ root }: UnitPlace): boolean {
  return root === '';
}

function pathOf({ fileName }: Unit, { root }: UnitPlace): string {
  return `${root}${unitDirectory}/${fileName}`;
}

function textOf(unit: Unit, place: UnitPlace): string | undefined {
  return fileHost.readText(pathOf(unit, place));
}

/** An operator's own file, or the link to /dev/null of a unit that is masked. */
function refuseForeign(path: string): void {
  const status = lstatSync(path, { throwIfNoEntry: false });
  if (status === undefined) return;
  if (status.isFile() && readFileSync(path, 'utf8').startsWith(mark)) return;
  throw new MounterError('is there already, and mounter did not write it', {
    subject: path,
    status: exitCode.system,
    hint: status.isSymbolicLink()
      ? `if it is masked, run systemctl unmask ${path.slice(path.lastIndexOf('/') + 1)}`
      : 'move it away; changes belong into a drop-in, see systemctl edit',
  });
}
