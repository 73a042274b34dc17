import './guest.ts';
import { readdir, readFile } from 'node:fs/promises';
import { setTimeout } from 'node:timers/promises';
import type { ExecutionContext } from 'ava';
import { entriesOf } from './node.ts';

/** Nothing of the call is left: no mount on either side, no process of a mount or of our questions. */
export async function nothingLeft(t: ExecutionContext, target: string): Promise<void> {
  t.deepEqual(await entriesOf(target), []);
  const deadline = performance.now() + goneMs;
  while ((await commandLinesLeft(target)).length > 0 && performance.now() < deadline) await setTimeout(100);
  t.deepEqual(await commandLinesLeft(target), []);
}

/** What was ended takes a moment to be gone; less than a resolver or an RPC waits for its answer. */
const goneMs = 5000;

async function commandLinesLeft(target: string): Promise<readonly string[]> {
  const commandLines = await Promise.all(
    (await readdir('/proc'))
      .filter((name) => /^\d+$/.test(name))
      .map((pid) => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')),
  );
  return commandLines.filter((line) => line.includes(target) || /^(getent|rpcinfo)\0/.test(line));
}
