import { ptr } from 'bun:ffi';
import { constants as files } from 'node:fs';
import { constants } from 'node:os';
import { check, libc, terminated } from './libc.ts';

/** The calls that change this very process, for good; in the compiled executable only. */

/**
 * execv(3): the program takes this process's place, with its environment as libc has it, byte for byte.
 * @returns never. @throws like node:fs when the kernel does not start it.
 */
export function execute(path: string, argv: readonly Buffer[]): never {
  const strings = argv.map(terminated);
  const pointers = new BigUint64Array([...strings.map((bytes) => BigInt(ptr(bytes))), 0n]);
  check('execv', path, libc.execv(terminated(path), pointers));
  throw new Error(`execv of ${path} returned`, { cause: strings });
}

/** setenv(3): a variable of the program that takes this process's place. */
export function setEnvironment(name: string, value: string, isToOverwrite: boolean): void {
  check('setenv', name, libc.setenv(terminated(name), terminated(value), Number(isToOverwrite)));
}

const [MFD_CLOEXEC, MFD_EXEC] = [1, 0x10];

/** memfd_create(2), for a program. @returns a descriptor. @throws like node:fs. */
export function openMemory(name: string): number {
  let fd = libc.memfd_create(terminated(name), MFD_CLOEXEC | MFD_EXEC);
  // Before Linux 6.3, which has vm.memfd_noexec, every such file could be executed.
  if (fd < 0) fd = libc.memfd_create(terminated(name), MFD_CLOEXEC);
  check('memfd_create', name, Math.min(fd, 0));
  return fd;
}

const RLIMIT_NOFILE = 7;

/** @param hard undefined for no limit. @see setrlimit(2) */
export function limitOpenFiles(soft: number, hard: number | undefined): void {
  const unlimited = 0xffff_ffff_ffff_ffffn;
  const limits = new BigUint64Array([BigInt(soft), hard === undefined ? unlimited : BigInt(hard)]);
  check('setrlimit', 'RLIMIT_NOFILE', libc.setrlimit(RLIMIT_NOFILE, limits));
}

const F_SETFD = 2;

/** Hands descriptors over to the program that takes this process's place. */
export function keepDescriptors(first: number, count: number): void {
  for (let fd = first; fd < first + count; fd += 1) libc.fcntl(fd, F_SETFD, 0);
}

const POSIX_FADV_DONTNEED = 4;

/** posix_fadvise(2): what of the file is on disk leaves the page cache, where nobody has it mapped. Advice alone. */
export function dropFromCache(fd: number): void {
  libc.posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
}

const [F_GETFL, F_SETFL] = [3, 4];

/** Takes O_NONBLOCK away, which every process has that shares the open file with us. */
export function makeWaiting(fd: number): void {
  const flags = libc.fcntl(fd, F_GETFL, 0);
  if (flags >= 0 && (flags & files.O_NONBLOCK) !== 0) libc.fcntl(fd, F_SETFL, flags & ~files.O_NONBLOCK);
}

/** signal(2) with SIG_DFL. */
export function restoreSignal(name: 'SIGPIPE' | 'SIGXFSZ'): void {
  libc.signal(constants.signals[name], 0);
}

const SIG_IGN = 1;

/** @param signal its number. */
export function ignoreSignal(signal: number): void {
  libc.signal(signal, SIG_IGN);
}
