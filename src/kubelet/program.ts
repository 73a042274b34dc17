import { closeSync, existsSync, lstatSync, openSync, readSync, realpathSync } from 'node:fs';
import { MounterError } from '../errors.ts';
import { exitCode } from '../exit-codes.ts';
import { interpreterOf } from '../host/elf.ts';
import { resolveInRoot } from '../host/path-in-root.ts';

/** The program to run, seen before it is run: once it has our place nobody is left to explain. */

/** e_machine of what the kernel of each of our architectures runs, 32-bit programs included: elf(5). */
const machines: Readonly<Record<string, Readonly<Record<number, string>>>> = {
  x64: { 62: 'x86-64', 3: 'i386' },
  arm64: { 183: 'aarch64', 40: 'arm' },
};

/**
 * How it is executed once the view is made: by its own path where that leads to it, as everywhere but in directories
 * that the host has alone.
 */
export function pathInView(root: string, path: string): string {
  const own = root + (resolveInRoot(root, path) ?? path);
  return existsSync(path) && realpathSync(path) === own ? path : own;
}

/**
 * @param name a path, or a name that is looked up in `path`.
 * @param path of PATH's form.
 * @returns the program's path inside `root`; its symlinks are the kernel's to follow.
 * @throws MounterError (127, 126) that says what of it is missing, or why it cannot be executed.
 */
export function findKubelet(root: string, name: string, path: string): string {
  const candidates = name.includes('/')
    ? [name.startsWith('/') ? name : `/${name}`]
    : path.split(':').map((directory) => `${directory || '/'}/${name}`);
  const found = candidates.find((candidate) => isFile(root, candidate));
  if (found === undefined) {
    const where = name.includes('/') ? '' : `, nor in another directory of PATH=${path}`;
    const subject = `${root}${candidates[0]}`;
    throw refusal(subject, `there is no such program in the image${where}`, exitCode.helperNotFound);
  }
  checkExecutable(root, found);
  return found;
}

function isFile(root: string, path: string): boolean {
  const resolved = resolveInRoot(root, path);
  return resolved !== undefined && lstatSync(root + resolved, { throwIfNoEntry: false })?.isFile() === true;
}

/** @param depth of scripts that are each other's interpreters. */
function checkExecutable(root: string, path: string, depth = 0): void {
  const file = root + (resolveInRoot(root, path) ?? path);
  if ((lstatSync(file).mode & 0o111) === 0)
    throw refusal(file, 'is not executable', exitCode.helperNotExecutable, `chmod +x ${file}`);
  checkFormat(file);
  const interpreter = interpreterOf(file);
  if (interpreter === undefined) return;
  if (!isFile(root, interpreter.path) || depth > 4) {
    const message = `needs ${interpreter.path}, which is not in the image`;
    throw refusal(file, message, exitCode.helperNotFound);
  }
  checkExecutable(root, interpreter.path, depth + 1);
}

function checkFormat(file: string): void {
  const header = headerOf(file);
  if (header.subarray(0, 2).toString('latin1') === '#!') return;
  if (header.length < 20 || header.readUInt32BE(0) !== 0x7f454c46)
    throw refusal(file, 'is neither an ELF program nor a script with #!', exitCode.helperNotExecutable);
  const machine = header[5] === 1 ? header.readUInt16LE(18) : header.readUInt16BE(18);
  if (machines[process.arch]?.[machine] !== undefined) return;
  throw refusal(
    file,
    `is for another architecture than this machine's ${process.arch} (ELF machine ${machine})`,
    exitCode.helperNotExecutable,
    'extract the image for this one: mounter install IMAGE --into DIR --platform linux/ARCH',
  );
}

function headerOf(file: string): Buffer {
  const fd = openSync(file, 'r');
  try {
    const bytes = Buffer.alloc(20);
    return bytes.subarray(0, readSync(fd, bytes, 0, bytes.length, 0));
  } finally {
    closeSync(fd);
  }
}

function refusal(
  subject: string,
  message: string,
  status: number,
  hint = 'name a program of the image after --, or extract another image',
): MounterError {
  return new MounterError(message, { subject, status, hint });
}
