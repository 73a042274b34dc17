import { rmSync } from 'node:fs';
import { MounterError } from '../errors.ts';
import { exitCode } from '../exit-codes.ts';
import { writeAtomically } from '../host/replace.ts';
import { type BareNode, readManifest } from '../node/node.ts';
import { fileThatTurnsOff, helpersWanted, offFiles } from '../node/off.ts';
import { removeOffFile } from '../node/off-file.ts';
import { placeHelpers } from './place-helpers.ts';
import { describePreparation, prepareNode } from './prepare-node.ts';
import { areHelpersWanted, switches } from './turn-off.ts';

/**
 * Takes back what `turnOff` did, when mounts can work: what cannot be prepared stays off.
 * @param isFleets the DaemonSet does it, which leaves off what was turned off by hand.
 * @param say told what was done as soon as it is, whole lines.
 * @throws MounterError where the node cannot be prepared, or its manifest turns the mounter off.
 */
export async function turnOn(
  { host, layout }: BareNode,
  isFleets: boolean,
  say: (lines: string) => void,
): Promise<void> {
  const before = switches(layout);
  const byHand = before.find(({ off }) => !off.isFleets);
  if (byHand !== undefined && isFleets)
    return say(`turned off by hand, in ${byHand.path}; left so: mounter enable turns it on\n`);
  const isInstalled = [layout.rootfs, layout.manifest].some((path) => host.lstat(path) !== undefined);
  if (!isInstalled && before.length === 0) say('nothing is installed here; nothing to do\n');
  if (isInstalled) {
    if (!(await readManifest(host, layout)).enabled) throw offBySettings(fileThatTurnsOff(host, layout));
    say(describePreparation(await prepareNode({ host, layout })));
  }
  const ofHelpers = before.filter(({ off }) => off.hadHelpers).map(({ path }) => helpersWanted(path));
  for (const path of ofHelpers) writeAtomically(path, '', 0o644);
  for (const { path, state } of before) removeOffFile(path, state);
  const [later] = switches(layout);
  if (later !== undefined) return say(`turned off meanwhile, by ${later.path}; left so\n`);
  if (before.length > 0) say('turned on\n');
  if (!areHelpersWanted(layout)) return;
  const placing = await placeHelpers(layout, undefined, host);
  if (placing === undefined) return;
  say(placing.lines.map((line) => `${line}\n`).join(''));
  for (const path of offFiles(layout).map(helpersWanted)) rmSync(path, { force: true });
}

function offBySettings(subject: string): MounterError {
  return new MounterError('"enabled": false turns the mounter off, whatever else is set', {
    subject,
    status: exitCode.system,
    hint: 'take this line out, then mounter enable again',
  });
}
