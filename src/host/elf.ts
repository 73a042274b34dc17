import { closeSync, fstatSync, openSync, readSync } from 'node:fs';

const PT_LOAD = 1;
const PT_DYNAMIC = 2;
const PT_INTERP = 3;
const [DT_NEEDED, DT_STRTAB] = [1, 5];
const ET_REL = 1;
/** e_machine of our architectures, in Debian's and Go's names. @see elf(5) */
const machines: Readonly<Record<string, number>> = { amd64: 62, arm64: 183 };
/** Of what this machine runs. */
const ownMachine: number | undefined = machines[process.arch === 'x64' ? 'amd64' : process.arch];
const headerBytes = 64;
const segmentBytes = 56;
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

function elfInterpreter(fd: number, header: Buffer): string | undefined {
  if (header.length < headerBytes || !isElf(header) || !isOfOurKind(header)) return undefined;
  const entry = segments(fd, header).find(({ type }) => type === PT_INTERP);
  if (entry === undefined) return undefined;
  return read(fd, entry.offset, Math.min(entry.length, maximumPath)).toString('utf8').replace(/\0.*$/s, '');
}

/**
 * Why the kernel, or ld.so, cannot load an ELF file here, in a few words. ld.so does not see that a file is cut short: it
 * dies of that, or the program does later.
 * @returns undefined for one that they can, and for every other file.
 */
export function elfFault(file: string): string | undefined {
  const fd = openSync(file, 'r');
  try {
    const header = read(fd, 0, headerBytes);
    if (!isElf(header)) return undefined;
    if (header.length < headerBytes) return 'is cut short';
    const machine = header.readUInt16LE(18);
    if (!isOfOurKind(header) || (ownMachine !== undefined && machine !== ownMachine))
      return 'is of another architecture';
    if (header.readUInt16LE(16) === ET_REL) return undefined;
    const { size } = fstatSync(fd);
    const loaded = segments(fd, header).filter(({ type }) => type === PT_LOAD);
    const isWhole = loaded.length > 0 && loaded.every(({ offset, length }) => offset + length <= size);
    return isWhole ? undefined : 'is cut short';
  } finally {
    closeSync(fd);
  }
}

/**
 * What an ELF file is for: `amd64`, `arm64`, or, where we have no name for it, such as `ELF machine 243`.
 * @returns undefined for every other file.
 */
export function elfArchitecture(file: string): string | undefined {
  const fd = openSync(file, 'r');
  try {
    const header = read(fd, 0, headerBytes);
    if (!isElf(header) || header.length < headerBytes) return undefined;
    const machine = header[5] === 2 ? header.readUInt16BE(18) : header.readUInt16LE(18);
    return Object.keys(machines).find((name) => machines[name] === machine) ?? `ELF machine ${machine}`;
  } finally {
    closeSync(fd);
  }
}

function isElf(header: Buffer): boolean {
  return header.length >= 4 && header.readUInt32BE(0) === 0x7f454c46;
}

/** 64-bit and little-endian: what the mounter itself runs on. */
function isOfOurKind(header: Buffer): boolean {
  return header[4] === 2 && header[5] === 1;
}

/**
 * The names of the libraries that ld.so loads with an ELF file; none for every other file, or one that is damaged.
 * @see elf(5) "DT_NEEDED"
 */
export function librariesNeededBy(file: string): readonly string[] {
  const fd = openSync(file, 'r');
  try {
    const header = read(fd, 0, headerBytes);
    if (header.length < headerBytes || !isElf(header) || !isOfOurKind(header)) return [];
    const parts = segments(fd, header);
    const dynamic = parts.find(({ type }) => type === PT_DYNAMIC);
    if (dynamic === undefined) return [];
    const bytes = read(fd, dynamic.offset, Math.min(dynamic.length, maximumDynamic));
    const entries = Array.from({ length: Math.floor(bytes.length / 16) }, (_, index) => ({
      tag: Number(bytes.readBigUInt64LE(index * 16)),
      value: Number(bytes.readBigUInt64LE(index * 16 + 8)),
    }));
    const address = entries.find(({ tag }) => tag === DT_STRTAB)?.value ?? 0;
    const holder = parts.find((one) => one.type === PT_LOAD && isWithin(address, one));
    if (holder === undefined) return [];
    const strings = holder.offset + address - holder.address;
    const nameAt = (offset: number) =>
      read(fd, strings + offset, 256)
        .toString('latin1')
        .replace(/\0.*$/s, '');
    return entries.filter(({ tag }) => tag === DT_NEEDED).map(({ value }) => nameAt(value));
  } finally {
    closeSync(fd);
  }
}

/** More than any has. */
const maximumDynamic = 1 << 16;

function isWithin(address: number, segment: Segment): boolean {
  return address >= segment.address && address < segment.address + segment.length;
}

interface Segment {
  readonly type: number;
  readonly offset: number;
  /** Where it is loaded. */
  readonly address: number;
  /** In the file. */
  readonly length: number;
}

function segments(fd: number, header: Buffer): readonly Segment[] {
  const [start, size, count] = [
    Number(header.readBigUInt64LE(32)),
    header.readUInt16LE(54),
    header.readUInt16LE(56),
  ];
  // The kernel takes no other size.
  if (size !== segmentBytes) return [];
  // All at once: there may be 65535 of them.
  const bytes = read(fd, start, count * size);
  return Array.from({ length: Math.floor(bytes.length / size) }, (_, index) => {
    const entry = bytes.subarray(index * size);
    return {
      type: entry.readUInt32LE(0),
      offset: Number(entry.readBigUInt64LE(8)),
      address: Number(entry.readBigUInt64LE(16)),
      length: Number(entry.readBigUInt64LE(32)),
    };
  });
}

/** Nothing where the file ends before that; a damaged one names places that no file has. */
function read(fd: number, position: number, length: number): Buffer {
  if (!Number.isSafeInteger(position)) return Buffer.of();
  const bytes = Buffer.alloc(length);
  return bytes.subarray(0, readSync(fd, bytes, 0, length, position));
}
