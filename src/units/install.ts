import { lstatSync, mkdirSync, readFileSync, rmdirSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { MounterError } from '../errors.ts';
import { exitCode } from '../exit-codes.ts';
import { fileHost } from '../host/file-host.ts';
import { placeInRoot } from '../host/path-in-root.ts';
import { writeAtomically } from '../host/replace.ts';
import { runProgram } from '../host/run-program.ts';
import { unitDirectory } from '../services/provide.ts';
import { argumentsVariable, mounterPathFlag } from './kubelet-flag.ts';
import { mark, ofExecutable, type Unit } from './units.ts';

/**
 * Putting units where systemd finds them, and taking them away. Every step looks first. The root '' is this node, with
 * its systemd; another directory is a node's disk or image, where nothing is started.
 */

/**
 * Writes the units, enables those that are for boot, and on this node starts what a running node lacks.
 * @returns what was done, a line each; nothing where all was in place.
 * @throws MounterError (system) for a file of that name that is not ours, before anything is changed; or with
 *   systemctl's own words.
 */
export async function installUnits(units: readonly Unit[], root: string): Promise<readonly string[]> {
  for (const unit of units) refuseForeign(pathOf(unit, root));
  const done: string[] = [];
  for (const unit of units.filter((unit) => textOf(unit, root) !== unit.text)) {
    mkdirSync(dirname(pathOf(unit, root)), { recursive: true, mode: 0o755 });
    writeAtomically(pathOf(unit, root), unit.text, 0o644);
    done.push(`wrote ${pathOf(unit, root)}`);
  }
  if (root === '') await reloadWhereNeeded(units, done.length > 0);
  for (const unit of units.filter(({ isEnabled }) => isEnabled)) {
    if (await asks(root, 'is-enabled', unit)) continue;
    await systemctl(root, 'enable', unit.fileName);
    done.push(`enabled ${unit.fileName}`);
  }
  for (const unit of units.filter(({ isStarted }) => isStarted && root === '')) {
    if (await asks(root, 'is-active', unit)) continue;
    await systemctl(root, 'start', unit.fileName);
    done.push(`started ${unit.fileName}`);
  }
  return done;
}

/**
 * Disables the units and removes their files. What volumes and their locks need goes on.
 * @returns what was done, a line each; those of another MOUNTER_HOME stay.
 */
export async function removeUnits(units: readonly Unit[], root: string): Promise<readonly string[]> {
  const installed = units.filter((unit) => textOf(unit, root) !== undefined);
  for (const unit of installed) refuseForeign(pathOf(unit, root));
  const others = new Map(
    installed.flatMap((unit) => {
      const [named, wanted] = [textOf(unit, root) ?? '', unit.text].map((text) => executableIn(text, root));
      return named === undefined || named === wanted ? [] : [[unit, dirname(named)]];
    }),
  );
  const own = installed.filter((unit) => !others.has(unit));
  // Before any file goes: a timer whose turn comes when its service is gone has failed.
  for (const unit of own.filter(({ isEnabled }) => isEnabled)) {
    const stop = unit.isStopped && root === '' ? ['--now'] : [];
    await systemctl(root, 'disable', ...stop, unit.fileName);
  }
  for (const unit of own) {
    rmSync(pathOf(unit, root));
    if (unit.fileName.includes('/')) removeEmpty(dirname(pathOf(unit, root)));
  }
  if (own.length > 0) await reloadUnits(root);
  return installed.map((unit) => {
    const home = others.get(unit);
    const path = pathOf(unit, root);
    return home === undefined
      ? `removed ${path}`
      : `left ${path} as it is, which MOUNTER_HOME=${home} has written`;
  });
}

/** The executable that a unit, or kubelet's drop-in, is about; without symlinks. */
function executableIn(text: string, root: string): string | undefined {
  const path = executableLine.exec(text)?.groups?.path;
  return path === undefined ? undefined : placeInRoot(root, path.replaceAll('%%', '%'));
}

const executableLine = new RegExp(
  `^(?:${ofExecutable}|ConditionFileIsExecutable=|Environment="${argumentsVariable}=${mounterPathFlag}=)(?<path>/.*/mounter)"?$`,
  'm',
);

function removeEmpty(directory: string): void {
  try {
    rmdirSync(directory);
  } catch {
    // Others' drop-ins are there.
  }
}

/** After a drop-in of somebody else's was changed. */
export async function reloadUnits(root: string): Promise<void> {
  if (root === '') await systemctl(root, 'daemon-reload');
}

/** A run that was killed may have written the file, and not have reloaded. */
async function reloadWhereNeeded(units: readonly Unit[], hasChanged: boolean): Promise<void> {
  const names = units.map(({ fileName }) => fileName.replace(/\.d\/.*/, ''));
  const shown = await runProgram('systemctl', ['show', '--property=NeedDaemonReload,LoadState', ...names]);
  if (hasChanged || /^NeedDaemonReload=yes|^LoadState=not-found/m.test(shown))
    await runProgram('systemctl', ['daemon-reload']);
}

async function asks(root: string, question: 'is-enabled' | 'is-active', unit: Unit): Promise<boolean> {
  return systemctl(root, question, '--quiet', unit.fileName).then(
    () => true,
    () => false,
  );
}

/** Long enough for the start of a unit that waits for its turn. */
const systemctlMs = 150_000;

function systemctl(root: string, ...args: readonly string[]): Promise<string> {
  const flags = root === '' ? [] : [`--root=${root}`];
  return runProgram('systemctl', [...flags, ...args], systemctlMs);
}

function pathOf({ fileName }: Unit, root: string): string {
  return `${root}${unitDirectory}/${fileName}`;
}

function textOf(unit: Unit, root: string): string | undefined {
  return fileHost.readText(pathOf(unit, root));
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
