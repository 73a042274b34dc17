import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { interpreterOf } from '../../../src/host/elf.ts';

function interpreterIn(content: Buffer | string): ReturnType<typeof interpreterOf> {
  const directory = mkdtempSync(join(tmpdir(), 'elf-test-'));
  try {
    writeFileSync(`${directory}/file`, content);
    return interpreterOf(`${directory}/file`);
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
