import './guest.ts';
import { readdir, readFile } from 'node:fs/promises';
import type { ExecutionContext } from 'ava';
import { entriesOf } from './node.ts';

/** Nothing of the call is left: no mount on either side, no process of a mount or of our questions. */
export async function nothingLeft(t: ExecutionContext, target: string): Promise<void> {
  t.deepEqual(await entriesOf(target), []);
  const commandLines = await Promise.all(
    (await readdir('/proc'))
      .filter((name) => /^\d+$/.test(name))
      .map((pid) => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')),
  );
  t.deepEqual(
    commandLines.filter((line) => line.includes(target) || /^(getent|rpcinfo)\0/.test(line)),
    [],
  );
}
