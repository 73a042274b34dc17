import * as system from 'system-calls';
import { runCommand } from '../host/run-command.ts';
import { engine, startCommand, variables } from './child.ts';
import { fullExecutable } from './full.ts';

/** What the full executable does for the front, as a program that is run: the rest of the record. */

/** The full executable begins a new file of the record: it can sum up what was in the old one. */
export function rotate(): Promise<void> {
  return runFull(['log', '--rotate'], -1, 30_000);
}

/** A slow record is given up by the program itself; this is for a node that is short of processors. */
const appendMs = 2000;

/** Writes a line to a record that is the journal, or on a filesystem that may wait for a server. */
export async function appendByFull(line: string, level: number): Promise<void> {
  const from = inputOf(line);
  if (from < 0) return;
  try {
    await runFull(['log', '--append', String(level)], from, appendMs);
  } finally {
    system.close(from);
  }
}

/** A pipe that has all of `text` in it: a line of the record is shorter than a pipe is wide. */
function inputOf(text: string): number {
  const ends = system.pipe();
  if (typeof ends === 'number') return ends;
  const [from = -1, to = -1] = ends;
  system.write(to, text);
  system.close(to);
  return from;
}

async function runFull(argv: readonly string[], input: number, deadlineMs: number): Promise<void> {
  const { MOUNTER_HOME, MOUNTER_MANIFEST } = process.env;
  const ours = Object.entries({ MOUNTER_HOME, MOUNTER_MANIFEST }).flatMap(([name, value]) =>
    value === undefined ? [] : [`${name}=${value}`],
  );
  await runCommand(
    { argv: [fullExecutable(), ...argv], deadlineMs, terminateMs: 1000 },
    {
      ...engine,
      start: async (command, output) => startCommand(command, output, [...variables, ...ours], input),
    },
  );
}
