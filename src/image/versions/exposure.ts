import { statSync } from 'node:fs';
import { dirname } from 'node:path';

/**
 * Whether users other than root can reach a directory. An image's own directory stays as open as the image has it:
 * what runs in it as another user begins all its ways there.
 * @param directory without symlinks.
 */
export function isReachable(directory: string): boolean {
  for (let above = dirname(directory); above !== '/'; above = dirname(above))
    if ((statSync(above).mode & 0o001) === 0) return false;
  return true;
}
