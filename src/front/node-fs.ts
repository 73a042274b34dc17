import * as system from 'system-calls';
import { checked } from './system-error.ts';

/**
 * What the shared sources use of node:fs, which scripts/front.ts lets them find here. Text only, no Buffers;
 * everything at once.
 */

/** @see open(2), access(2) */
export const constants = system;

export function openSync(path: string, flags: number, mode = 0): number {
  return checked('open', path, system.open(path, flags, mode));
}

export function closeSync(fd: number): void {
  checked('close', undefined, system.close(fd));
}

export function fstatSync(fd: number): Stats {
  const status = checked('fstat', undefined, system.fstat(fd));
  return { size: status.size, nlink: status.nlink, isFile: () => status.kind === 'file' };
}

/** What is asked of an open file. */
interface Stats {
  readonly size: number;
  readonly nlink: number;
  isFile(): boolean;
}

/** Reads UTF-8; 'latin1' is for what is ASCII, and reads the same. */
export function readFileSync(path: string, _encoding: 'utf8' | 'latin1'): string {
  const fd = openSync(path, constants.O_RDONLY);
  try {
    return checked('read', path, system.read(fd, 0, Number.MAX_SAFE_INTEGER));
  } finally {
    system.close(fd);
  }
}

export function writeSync(fd: number, text: string): number {
  return checked('write', undefined, system.write(fd, text));
}

export function writeFileSync(
  path: string,
  text: string,
  { mode }: { readonly mode: number; readonly flag: 'wx' },
): void {
  const fd = openSync(path, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, mode);
  try {
    writeSync(fd, text);
  } finally {
    closeSync(fd);
  }
}

export function readdirSync(path: string): readonly string[] {
  return checked('scandir', path, system.readdir(path));
}

export function readlinkSync(path: string): string {
  return checked('readlink', path, system.readlink(path));
}

export function renameSync(from: string, to: string): void {
  checked('rename', from, system.rename(from, to));
}

export function rmSync(path: string, _options: { readonly force: true }): void {
  const result = system.unlink(path);
  if (result < 0 && system.errorNames(-result)[0] !== 'ENOENT') checked('unlink', path, result);
}

export function unlinkSync(path: string): void {
  checked('unlink', path, system.unlink(path));
}

export function chmodSync(path: string, mode: number): void {
  checked('chmod', path, system.chmod(path, mode));
}

export function mkdirSync(path: string, { mode }: { readonly mode: number }): void {
  checked('mkdir', path, system.mkdir(path, mode));
}

export function accessSync(path: string, mode: number): void {
  checked('access', path, system.access(path, mode));
}
