import { closeSync, constants, fstatSync, openSync, readSync, type Stats } from 'node:fs';
import { MounterError } from '../errors.ts';
import { exitCode } from '../exit-codes.ts';
import { callError } from './system-error.ts';

/** No file that we read is larger: the mount table of a node with a hundred thousand volumes has some 20 MB. */
const maximumBytes = 64 * 1024 * 1024;

/** Of /dev/null, by which a file can be masked: it is empty. */
const nullDevice = 0x103;

/**
 * A file's text. A pipe, or a device such as /dev/zero, in a file's place is neither waited for nor read for ever.
 * @throws MounterError (system) for what is no plain file, and for one that is larger than any we read; like node:fs.
 */
export function readText(path: string): string {
  const fd = open(path);
  try {
    const status = fstatSync(fd);
    if (status.isDirectory()) throw callError('EISDIR', 'read', path);
    if (!isPlain(status)) throw refused(path, 'is no plain file');
    return textOf(fd, path);
  } finally {
    closeSync(fd);
  }
}

function open(path: string): number {
  try {
    return openSync(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
  } catch (error) {
    // A socket, or a device that is not there.
    if ((error as NodeJS.ErrnoException).code === 'ENXIO') throw refused(path, 'is no plain file');
    throw error;
  }
}

function isPlain(status: Stats): boolean {
  return status.isFile() || (status.isCharacterDevice() && status.rdev === nullDevice);
}

/** To its end, whatever fstat(2) says of the size: that of files in /proc is 0. */
function textOf(fd: number, path: string): string {
  const parts: Buffer[] = [];
  for (let bytes = 0; ; ) {
    const part = Buffer.allocUnsafe(64 * 1024);
    const count = readSync(fd, part, 0, part.length, null);
    if (count === 0) return Buffer.concat(parts).toString('utf8');
    bytes += count;
    if (bytes > maximumBytes) throw refused(path, `is larger than ${maximumBytes >> 20} MiB`);
    parts.push(part.subarray(0, count));
  }
}

function refused(path: string, why: string): MounterError {
  return new MounterError(`${why}, and is not read`, {
    subject: path,
    status: exitCode.system,
    hint: `see what it is (ls -l ${path}), and put the file that belongs there in its place`,
  });
}
