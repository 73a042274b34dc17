import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { elfArchitecture, elfFault, interpreterOf, librariesNeededBy } from '../../../src/host/elf.ts';

function interpreterIn(content: Buffer | string): ReturnType<typeof interpreterOf> {
  return about(content, interpreterOf);
}

function about<T>(content: Buffer | string, ask: (file: string) => T): T {
  const directory = mkdtempSync(join(tmpdir(), 'elf-test-'));
  try {
    writeFileSync(`${directory}/file`, content);
    return ask(`${directory}/file`);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** A 64-bit file with one program header, for `interpreter` where it is of that type. */
function elf(interpreter: string, type = 3): Buffer {
  const bytes = Buffer.alloc(64 + 56);
  bytes.write('\x7fELF\x02\x01\x01', 'latin1');
  bytes.writeBigUInt64LE(64n, 32);
  bytes.writeUInt16LE(56, 54);
  bytes.writeUInt16LE(1, 56);
  bytes.writeUInt32LE(type, 64);
  bytes.writeBigUInt64LE(120n, 64 + 8);
  bytes.writeBigUInt64LE(BigInt(interpreter.length + 1), 64 + 32);
  return Buffer.concat([bytes, Buffer.from(`${interpreter}\0more`)]);
}

test('the ld.so of an ELF file', (t) => {
  t.deepEqual(interpreterIn(elf('/lib64/ld.so')), { kind: 'elf', path: '/lib64/ld.so' });
  t.is(interpreterIn(elf('/lib64/ld.so', 1)), undefined, 'a static one');
  t.is(interpreterOf(process.execPath)?.kind, 'elf');
});

test('the interpreter of a script', (t) => {
  t.deepEqual(interpreterIn('#!/bin/sh\necho\n'), { kind: 'script', path: '/bin/sh' });
  t.deepEqual(interpreterIn('#! /usr/bin/env sh\n'), { kind: 'script', path: '/usr/bin/env' });
});

test('what is neither, or cut short', (t) => {
  for (const content of ['', 'text', '\x7fELF', elf('/lib/ld.so').subarray(0, 70)])
    t.is(interpreterIn(content), undefined);
});

test('an ELF file that cannot be loaded here, and why', (t) => {
  const own = readFileSync(process.execPath);
  t.is(elfFault(process.execPath), undefined);
  t.is(about(own.subarray(0, own.length / 2), elfFault), 'is cut short');
  for (const length of [4, 63, 64, 100]) t.is(about(own.subarray(0, length), elfFault), 'is cut short');
  const changed = (at: number, byte: number) =>
    Buffer.concat([own.subarray(0, at), Buffer.of(byte), own.subarray(at + 1)]);
  for (const other of [changed(18, 40), changed(4, 1), changed(5, 2)])
    t.is(about(other, elfFault), 'is of another architecture');
  for (const content of ['', 'text', '#!/bin/sh\n']) t.is(about(content, elfFault), undefined);
});

/** Each of its places: that of the program headers, then those in the first of them. */
const places = [32, 64 + 8, 64 + 16, 64 + 32];
for (const place of places)
  for (const type of [1, 2, 3])
    test(`damage is found, whatever is at ${place} of a file with a program header of the type ${type}`, (t) => {
      for (const value of [2n ** 53n, 2n ** 63n, 2n ** 64n - 1n]) {
        const bytes = elf('/lib/ld.so', type);
        bytes.writeUInt16LE(3, 16);
        bytes.writeUInt16LE(process.arch === 'arm64' ? 183 : 62, 18);
        bytes.writeBigUInt64LE(value, place);
        t.deepEqual(about(bytes, librariesNeededBy), []);
        t.notThrows(() => about(bytes, interpreterOf));
        // The address alone says nothing of the file.
        t.is(about(bytes, elfFault), place === 64 + 16 && type === 1 ? undefined : 'is cut short');
      }
    });

test('what an ELF file is for', (t) => {
  const of = (machine: number) => {
    const bytes = elf('/lib/ld.so');
    bytes.writeUInt16LE(machine, 18);
    return about(bytes, elfArchitecture);
  };
  t.deepEqual([62, 183, 243].map(of), ['amd64', 'arm64', 'ELF machine 243']);
  t.is(elfArchitecture(process.execPath), process.arch === 'x64' ? 'amd64' : process.arch);
  for (const content of ['', 'text', '#!/bin/sh\n', '\x7fELF'])
    t.is(about(content, elfArchitecture), undefined);
});

test('the libraries that an ELF file needs; none of another, or of a damaged one', (t) => {
  const program = readFileSync('/bin/sh');
  t.deepEqual(librariesNeededBy('/bin/sh'), ['libc.so.6']);
  t.true(librariesNeededBy('/bin/mount').includes('libmount.so.1'));
  const zeros = Buffer.concat([program.subarray(0, 64), Buffer.alloc(program.length - 64)]);
  for (const other of ['#!/bin/sh\n', '', program.subarray(0, 63), program.subarray(0, 5000), zeros])
    t.deepEqual(about(other, librariesNeededBy), []);
});
