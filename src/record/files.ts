import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';

/** Of the record itself, which other hands may have replaced: no pipe is waited for, no symlink followed. */
const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK | constants.O_NOCTTY;

/** @returns undefined where there is none, or something that is no regular file. @throws on any other failure. */
export function openRegularFile(path: string): number | undefined {
  let fd: number;
  try {
    fd = openSync(path, flags);
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException;
    if (['ENOENT', 'ENOTDIR', 'ELOOP', 'ENXIO'].includes(code)) return undefined;
    throw error;
  }
  if (fstatSync(fd).isFile()) return fd;
  closeSync(fd);
  return undefined;
}

/** All that is in the file now. @param lastBytes no more than so many, from its end. */
export function readAll(fd: number, lastBytes = Number.POSITIVE_INFINITY): Buffer {
  const { size } = fstatSync(fd);
  const content = Buffer.alloc(Math.min(size, lastBytes));
  const begin = size - content.length;
  let length = 0;
  for (;;) {
    const read = readSync(fd, content, length, content.length - length, begin + length);
    length += read;
    if (read === 0 || length === content.length) return content.subarray(0, length);
  }
}

/** @returns undefined where there is no regular file. */
export function textOf(path: string): string | undefined {
  const fd = openRegularFile(path);
  if (fd === undefined) return undefined;
  try {
    return readAll(fd).toString('utf8');
  } finally {
    closeSync(fd);
  }
}
