import { MounterError } from '../../errors.ts';
import { exitCode } from '../../exit-codes.ts';
import type { MountContext } from '../context.ts';
import type { WrittenFile } from '../policy/options.ts';
import { partsBelow, walk } from './path-walk.ts';

/**
 * A helper opens the file as root and follows symlinks: so no directory on the way may be one that others can
 * write in, none may lie on a volume, and the file itself may be no symlink, device or pipe.
 * @throws MounterError (usage, class `policy`)
 */
export function checkFile({ option, path, identityMount }: WrittenFile, { host }: MountContext): void {
  const names = partsBelow(identityMount, path);
  const { steps, file: opened } = walk(identityMount, names, host, 'one');
  if (opened !== undefined) host.close(opened);
  const [first] = steps;
  const isOnVolume = steps.some(({ mountId }) => mountId !== first?.mountId);
  const isChangeable = steps
    .slice(0, names.length)
    .some(({ kind, isRootOnly }) => kind !== 'directory' || !isRootOnly);
  const file = steps[names.length];
  if (!isOnVolume && !isChangeable && (file === undefined || file.kind === 'file')) return;
  throw new MounterError(
    'the file that it names lies behind a symlink, on a volume, or where others than root can write',
    {
      subject: option,
      status: exitCode.usage,
      errorClass: 'policy',
      hint: `write ${option}=${identityMount}/plugins/kubernetes.io/glusterfs/VOLUME/NAME.log, or leave it out`,
    },
  );
}
