import { readFileSync } from 'node:fs';
import { MounterError } from '../errors.ts';
import { exitCode } from '../exit-codes.ts';
import { requireRoot } from '../node/node.ts';
import type { RecordedCall } from '../record/parse.ts';
import { readRecord } from '../record/read.ts';
import { writeRecord } from '../record/write.ts';
import type { CommandContext } from './context.ts';
import { parseFlags } from './flags.ts';
import { recordPlace } from './record-place.ts';
import { table } from './tables.ts';

const shownByDefault = 20;

/** `mounter log` */
export async function log(
  argv: readonly string[],
  { layout, host, output }: CommandContext,
): Promise<number> {
  const flags = parseFlags('log', argv, {
    boolean: ['failures', 'json', 'rotate'],
    string: ['n', 'append'],
    operands: [0, 0],
  });
  if (flags.has('rotate')) {
    requireRoot(host, 'beginning a new file of the record');
    const place = await recordPlace(host, layout);
    if (place.to === 'file') await (await import('../record/rotate.ts')).rotate(place);
    return exitCode.success;
  }
  const level = flags.value('append');
  if (level !== undefined) {
    requireRoot(host, 'writing to the record');
    await writeRecord(await recordPlace(host, layout), readFileSync(0, 'utf8'), Number(level));
    return exitCode.success;
  }
  const count = parseCount(flags.value('n'));
  const { calls } = await readRecord(await recordPlace(host, layout));
  const wanted = flags.has('failures') ? calls.filter(isFailure) : calls;
  const last = wanted.slice(-count);
  if (flags.has('json')) output.out(`${JSON.stringify(last.map(forPrograms), undefined, 2)}\n`);
  else output.out(last.length === 0 ? 'no calls in the record\n' : forPeople(last));
  return exitCode.success;
}

function parseCount(text: string | undefined): number {
  if (text === undefined) return shownByDefault;
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text);
  throw new MounterError('is not a number of calls, at least 1', {
    subject: `-n ${text}`,
    status: exitCode.usage,
    hint: 'such as mounter log -n 50',
  });
}

function isFailure({ errorClass }: RecordedCall): boolean {
  return errorClass !== undefined;
}

function forPrograms({ timeMs, ...call }: RecordedCall): unknown {
  return { time: new Date(timeMs).toISOString(), ...call };
}

/** A line for each call, and below a failure what it was. */
function forPeople(calls: readonly RecordedCall[]): string {
  const [heading = '', ...rows] = table([
    ['TIME', 'COMMAND', 'RESULT', 'SECONDS', 'TYPE', 'SOURCE', 'TARGET'],
    ...calls.map((call) => [
      new Date(call.timeMs).toISOString().replace(/\.\d+Z$/, 'Z'),
      call.command,
      resultOf(call),
      (call.totalMs / 1000).toFixed(3),
      call.fstype ?? '-',
      call.source ?? call.arguments?.join(' ') ?? '-',
      call.target ?? '-',
    ]),
  ]).split(/(?<=\n)/);
  return [heading, ...rows.flatMap((row, index) => [row, ...explanation(calls[index])])].join('');
}

/** Of `exec` the command's own status; of `doctor --repair`, 1 where something is left to mend. */
function resultOf({ errorClass, status, wasMounted }: RecordedCall): string {
  if (errorClass !== undefined) return errorClass;
  if (status !== 0) return `status ${status}`;
  return wasMounted ? 'ok (was mounted)' : 'ok';
}

function explanation(call: RecordedCall | undefined): readonly string[] {
  if (call?.errorClass === undefined) return [];
  const lines = [[call.msg], ...(call.hint === undefined ? [] : [[`hint: ${call.hint}`]])];
  return table(lines)
    .split(/(?<=\n)/)
    .map((line) => `    ${line}`);
}
