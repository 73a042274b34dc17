import { closeSync, openSync, readSync } from 'node:fs';

const PT_INTERP = 3;
const headerBytes = 64;
/** The kernel refuses a longer one: PATH_MAX. */
const maximumPath = 4096;

/**
 * What the kernel starts for the file: an ELF file's ld.so, or the interpreter of a script's first line.
 * @returns undefined for a static program, and for what is neither.
 * @see elf(5) "PT_INTERP", execve(2) "Interpreter scripts"
 */
export function interpreterOf(file: string): Interpreter | undefined {
  const fd = openSync(file, 'r');
  try {
    const header = read(fd, 0, headerBytes);
    if (header.subarray(0, 2).toString('latin1') === '#!')
      return { kind: 'script', path: scriptInterpreter(fd) };
    const path = elfInterpreter(fd, header);
    return path === undefined ? undefined : { kind: 'elf', path };
  } finally {
    closeSync(fd);
  }
}

export interface Interpreter {
  readonly kind: 'elf' | 'script';
  /** As it is named inside the rootfs. */
  readonly path: string;
}

function scriptInterpreter(fd: number): string {
  const [line = ''] = read(fd, 2, 256).toString('latin1').split('\n');
  return line.trim().split(/[ \t]/)[0] ?? '';
}

/** 64-bit little-endian files alone: what the mounter itself runs on. */
function elfInterpreter(fd: number, header: Buffer): string | undefined {
  if (header.length < headerBytes || header.readUInt32BE(0) !== 0x7f454c46) return undefined;
  if (header[4] !== 2 || header[5] !== 1) return undefined;
  const [offset, size, count] = [
    Number(header.readBigUInt64LE(32)),
    header.readUInt16LE(54),
    header.readUInt16LE(56),
  ];
  for (let index = 0; index < count; index += 1) {
    const entry = read(fd, offset + index * size, 56);
    if (entry.length < 56 || entry.readUInt32LE(0) !== PT_INTERP) continue;
    const length = Math.min(Number(entry.readBigUInt64LE(32)), maximumPath);
    return read(fd, Number(entry.readBigUInt64LE(8)), length)
      .toString('utf8')
      .replace(/\0.*$/s, '');
  }
  return undefined;
}

function read(fd: number, position: number, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  return bytes.subarray(0, readSync(fd, bytes, 0, length, position));
}
