import { chmod, mkdir, open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { execa } from 'execa';
import { findProgram } from '../host/programs.ts';
import { withTimeout } from '../host/with-timeout.ts';
import type { WriteRecord } from './call.ts';
import { appendToFile, recordFlags, recordMode } from './record-file.ts';
import { rotate } from './rotate.ts';

/** The way to the record of the full executable. */
export const writeRecord: WriteRecord = async (place, line, level) => {
  try {
    if (place.to === 'journal') await appendToJournal(line, level);
    if (place.to === 'file' && (await appendToFile(place, line, openByThread))) await rotate(place);
  } catch {
    // No systemd here, a full disk, no root: the words on stderr are what matters.
  }
};

/** SYSLOG_IDENTIFIER of our lines. */
export const journalIdentifier = 'mounter';

/** To start a program takes 10 ms, and on a node that is short of processors many times that. */
const programLimitMs = 1000;

/** By systemd-cat(1): the journal adds the command line of whoever writes to it, and ours may have a secret in it. */
async function appendToJournal(line: string, level: number): Promise<void> {
  // syslog's err and info.
  const argv = [`--identifier=${journalIdentifier}`, `--priority=${level >= 50 ? 3 : 6}`];
  await execa(findProgram('systemd-cat'), argv, {
    input: line,
    stdout: 'ignore',
    stderr: 'ignore',
    cwd: '/',
    timeout: programLimitMs,
  });
}

/** A record that takes longer than this goes without the line. */
const openLimitMs = 100;

/**
 * Opens the record's file in a thread of the runtime's: a server that hangs hangs the thread alone.
 * @returns undefined when it takes too long. @throws what the kernel refuses.
 */
function openByThread(path: string): Promise<number | undefined> {
  return withTimeout(opened(path), openLimitMs);
}

async function opened(path: string): Promise<number> {
  try {
    return await fileDescriptor(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    const made = await mkdir(dirname(path), { recursive: true, mode: 0o755 });
    // Whatever the caller's umask is: operators look for it.
    if (made !== undefined) await chmod(dirname(path), 0o755);
    return fileDescriptor(path);
  }
}

/** FileHandles that nobody holds any more are closed behind our back, so it is kept. */
const handles: unknown[] = [];

async function fileDescriptor(path: string): Promise<number> {
  const handle = await open(path, recordFlags, recordMode);
  handles.push(handle);
  return handle.fd;
}
