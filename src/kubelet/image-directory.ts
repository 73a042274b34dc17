import { existsSync, readdirSync, realpathSync, statSync } from 'node:fs';
import { MounterError } from '../errors.ts';
import { exitCode } from '../exit-codes.ts';
import { isAtOrBelow } from '../rootfs/root-processes.ts';

/** Where the image of `mounter kubelet` is extracted when nobody says another place. */
export const defaultKubeletRoot = '/var/lib/containerized-mounter/kubelet';

/**
 * The directory that an image was extracted to.
 * @param shared directories of the host that are mounted in it: the mounter's, the kubelet's.
 * @returns its path without symlinks, as mountinfo has it.
 * @throws MounterError (system) when it is not there or empty, (usage) when it cannot be a kubelet's root.
 */
export function requireImage(directory: string, shared: readonly string[]): string {
  const extract = `mounter install IMAGE --into ${directory}`;
  if (!existsSync(directory)) throw refusal(directory, 'there is no image', `${extract} extracts one`);
  if (!statSync(directory).isDirectory())
    throw refusal(directory, 'is no directory', 'name the directory that an image was extracted to');
  const root = realpathSync(directory);
  const names = readdirSync(root).filter((name) => name !== 'lost+found');
  if (names.length === 0) throw refusal(directory, 'is empty: there is no image', `${extract} extracts one`);
  if (root === '/') throw refusal(directory, 'is the root of the host', 'name another directory');
  for (const other of shared) {
    const path = existsSync(other) ? realpathSync(other) : other;
    if (!isAtOrBelow(root, path) && !isAtOrBelow(path, root)) continue;
    throw refusal(
      directory,
      `lies in or around ${other}, which an image has to be apart from`,
      'extract the image elsewhere',
    );
  }
  return root;
}

function refusal(subject: string, message: string, hint: string): MounterError {
  return new MounterError(message, { subject, status: exitCode.system, hint });
}
