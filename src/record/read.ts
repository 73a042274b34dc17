import { closeSync, fstatSync, lstatSync } from 'node:fs';
import { execa } from 'execa';
import { MounterError } from '../errors.ts';
import { exitCode } from '../exit-codes.ts';
import { findProgram } from '../host/programs.ts';
import { isErrnoException } from '../host/system-error.ts';
import type { RecordPlace } from '../manifest/record-place.ts';
import { openRegularFile, readAll, textOf } from './files.ts';
import { parseRecord, type RecordedCall } from './parse.ts';
import { noTotals, type Totals } from './totals.ts';
import { parseTotals, unfoldedFrom } from './totals-file.ts';
import { journalIdentifier } from './write.ts';

/** The record as it can be read back. */
export interface NodeRecord {
  /** Of what is not in `calls` any more. */
  readonly totals: Totals;
  /** Oldest first. */
  readonly calls: readonly RecordedCall[];
  /** Of files that are longer than was asked for, what comes before. */
  readonly unreadBytes: number;
}

/**
 * @param lastBytes of each file no more than so many, from its end: the settings allow 1e9.
 * @throws MounterError (system) when it cannot be read, such as by anyone but root.
 */
export async function readRecord(
  place: RecordPlace,
  lastBytes = Number.POSITIVE_INFINITY,
): Promise<NodeRecord> {
  const none = { totals: noTotals, unreadBytes: 0 };
  switch (place.to) {
    case 'file':
      return readFileRecord(place.file, lastBytes);
    case 'journal':
      return { ...none, calls: parseRecord(await journalText()) };
    case 'none':
      return { ...none, calls: [] };
    default:
      return place.to satisfies never;
  }
}

/** A rotation between the first file and the last one read would hide calls: then once more. */
const attempts = 10;

function readFileRecord(file: string, lastBytes: number): NodeRecord {
  try {
    for (let attempt = 1; ; attempt += 1) {
      const read = readOnce(file, lastBytes);
      if (read !== undefined) return read;
      if (attempt === attempts) throw new Error('it is rotated all the time');
    }
  } catch (error) {
    throw unreadable(file, error);
  }
}

/** @returns undefined when a rotation has come between. */
function readOnce(file: string, lastBytes: number): NodeRecord | undefined {
  const totalsBefore = textOf(`${file}.totals`);
  const [current, old] = [openRegularFile(file), openRegularFile(`${file}.1`)];
  try {
    const contents = [old, current].map((fd) =>
      fd === undefined ? { bytes: Buffer.alloc(0), unread: 0 } : lastOf(fd, lastBytes),
    );
    if (!isAt(`${file}.1`, old) || !isAt(file, current) || textOf(`${file}.totals`) !== totalsBefore)
      return undefined;
    const totals = parseTotals(totalsBefore);
    const [older = Buffer.alloc(0), newer = Buffer.alloc(0)] = contents.map(({ bytes }) => bytes);
    const texts = [older.toString('utf8', unfoldedFrom(older, totals)), newer.toString('utf8')];
    const unreadBytes = contents.reduce((sum, { unread }) => sum + unread, 0);
    return { totals: totals.totals, calls: texts.flatMap(parseRecord), unreadBytes };
  } finally {
    for (const fd of [current, old]) if (fd !== undefined) closeSync(fd);
  }
}

function lastOf(fd: number, lastBytes: number): { readonly bytes: Buffer; readonly unread: number } {
  const unread = Math.max(0, fstatSync(fd).size - lastBytes);
  return { bytes: readAll(fd, lastBytes), unread };
}

/** The file that was opened is still the one of this name; or there still is none. */
function isAt(path: string, fd: number | undefined): boolean {
  const now = lstatSync(path, { throwIfNoEntry: false });
  if (fd === undefined) return !now?.isFile();
  const { dev, ino } = fstatSync(fd);
  return now?.dev === dev && now.ino === ino;
}

async function journalText(): Promise<string> {
  // Anybody can write under this name; that root did, journald itself says: systemd.journal-fields(7).
  const written = [`--identifier=${journalIdentifier}`, '_UID=0'];
  const argv = ['--no-pager', '--quiet', '--all', '--output=cat', ...written];
  const { stdout, failed, stderr } = await execa(findProgram('journalctl'), argv, {
    stdin: 'ignore',
    reject: false,
    timeout: 20_000,
    maxBuffer: 512 * 1024 * 1024,
  });
  if (!failed) return stdout;
  throw new MounterError('the record is in the journal, which cannot be read', {
    subject: 'journalctl',
    status: exitCode.system,
    helperOutput: stderr,
    hint: 'run it as root; log.to in node-settings.json may name a file instead',
  });
}

function unreadable(file: string, error: unknown): unknown {
  const denied = isErrnoException(error) && (error.code === 'EACCES' || error.code === 'EPERM');
  return new MounterError(`the record cannot be read: ${(error as Error).message}`, {
    subject: file,
    status: exitCode.system,
    hint: denied ? 'run it as root' : 'try again; log.file in node-settings.json may name another file',
    cause: error,
  });
}
