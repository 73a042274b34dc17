import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { execa } from 'execa';
import type { Ended, StormCall } from './calls.ts';

/**
 * Makes the calls, all at once, and waits for all.
 * @param mounter the executable.
 * @param beside is run meanwhile, and told when they have ended.
 */
export async function launch(
  program: string,
  mounter: string,
  calls: readonly StormCall[],
  beside: (over: AbortSignal) => Promise<void> = async () => {},
): Promise<readonly Ended[]> {
  await Promise.all(calls.map(({ target }) => mkdir(target, { recursive: true })));
  const directory = await mkdtemp('/run/storm-');
  const over = new AbortController();
  const input = calls.map(({ source, target }) =>
    [mounter, 'mount', '-t', 'nfs', '-o', 'vers=4.2', source, target].join('\t'),
  );
  const running = execa(program, [directory], { input: `${input.join('\n')}\n` });
  const besides = beside(over.signal);
  try {
    const { stdout } = await running;
    const lines = stdout.split('\n').map((line) => JSON.parse(line) as Line);
    return await Promise.all(lines.map((line) => endedOf(line, calls, directory)));
  } finally {
    over.abort();
    await besides;
    await rm(directory, { recursive: true });
  }
}

/** As launch.c prints it. */
interface Line {
  readonly call: number;
  readonly status: number;
  readonly wallNs: number;
}

async function endedOf(
  { call: number, status, wallNs }: Line,
  calls: readonly StormCall[],
  directory: string,
): Promise<Ended> {
  const call = calls[number];
  if (call === undefined) throw new Error(`launch printed a call ${number}`);
  const output = await readFile(`${directory}/${number}`, 'utf8');
  return { call, status, wallMs: wallNs / 1e6, output };
}
