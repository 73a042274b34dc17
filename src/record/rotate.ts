import { appendFileSync, closeSync, fstatSync, readSync, renameSync, statSync } from 'node:fs';
import { writeAtomically } from '../host/replace.ts';
import type { RecordPlace } from '../manifest/record-place.ts';
import { withLock } from '../node/lock.ts';
import { openRegularFile, readAll, textOf } from './files.ts';
import { parseRecord } from './parse.ts';
import { addCalls } from './totals.ts';
import { headOf, parseTotals, totalsText, unfoldedFrom } from './totals-file.ts';

/**
 * Makes FILE FILE.1, after adding the old FILE.1 to FILE.totals; one process at a time, while FILE is too large.
 * Whenever it is killed, nothing is lost and nothing counted twice.
 * @throws when another rotates just now, or the kernel refuses something; another caller will try again.
 */
export async function rotate({ file, maximumBytes }: RecordPlace): Promise<void> {
  await withLock('record', 0, async () => {
    if (statSync(file).size >= maximumBytes) rotateLocked(file);
  });
}

function rotateLocked(file: string): void {
  const old = openRegularFile(`${file}.1`);
  try {
    const end = old === undefined ? 0 : fold(file, readAll(old));
    renameSync(file, `${file}.1`);
    if (old !== undefined) rescue(file, old, end);
  } finally {
    if (old !== undefined) closeSync(old);
  }
}

/** @returns how much of `content` is in the totals now. */
function fold(file: string, content: Buffer): number {
  const before = parseTotals(textOf(`${file}.totals`));
  const calls = parseRecord(content.toString('utf8', unfoldedFrom(content, before)));
  const folded = { head: headOf(content), bytes: content.length };
  const text = totalsText({ totals: addCalls(before.totals, calls), folded });
  writeAtomically(`${file}.totals`, text, 0o640);
  return content.length;
}

/** What a slow writer has added to the file while it was folded. */
function rescue(file: string, old: number, end: number): void {
  const { size } = fstatSync(old);
  if (size <= end) return;
  const late = Buffer.alloc(size - end);
  readSync(old, late, 0, late.length, end);
  appendFileSync(file, late, { mode: 0o640 });
}
