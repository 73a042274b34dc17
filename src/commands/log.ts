import { readFileSync } from 'node:fs';
import { shortened, table, terminalWidth, wrapped } from '../columns.ts';
import { formatError, MounterError, printable } from '../errors.ts';
import { exitCode } from '../exit-codes.ts';
import { jsonOutput } from '../json.ts';
import { defaultPlace, type RecordPlace } from '../manifest/record-place.ts';
import { readManifestIfThere, requireRoot } from '../node/node.ts';
import { failureWords, type RecordedCall } from '../record/parse.ts';
import { type CommandContext, defineCommand, wideText } from './command.ts';

export const log = defineCommand({
  name: 'log',
  summary: 'the last calls, and why they failed',
  flags: {
    '--failures': 'only those that failed',
    '-n N': { text: 'how many', default: '20' },
    '--json': 'the same for programs',
    '--wide': wideText,
    '--rotate': `shows nothing: begins a new file where the record has become too large. A mount that finds it so does
      that by itself`,
    '--append LEVEL': {
      text: 'writes the line on stdin to the record: a mount calls this where the record is in the journal',
      isInternal: true,
    },
  },
  manual: [
    `The last calls in the record: every mount, and every other command that changed the node. What failed is
    explained. The record is where log of the settings says: a file, the journal, or nowhere. Where the settings are broken, it shows
    the calls that failed by that.`,
  ],
  examples: ['mounter log --failures', 'mounter log -n 100 --json'],
  run: async (flags, context) => {
    const level = flags.value('append');
    if (flags.has('rotate')) await rotate(context);
    else if (level !== undefined) await append(level, context);
    else {
      const count = parseCount(flags.value('n'));
      const { readRecord } = await import('../record/read.ts');
      const { calls } = await readRecord(await recordPlace(context));
      const wanted = flags.has('failures') ? calls.filter(isFailure) : calls;
      const shown = wanted.slice(-count);
      if (flags.has('json'))
        context.output.out(jsonOutput({ calls: shown.map(forPrograms) } satisfies LogJson));
      else context.output.out(forPeople(shown, terminalWidth(flags.has('wide'))));
    }
    return exitCode.success;
  },
});

async function rotate({ host, layout }: CommandContext): Promise<void> {
  requireRoot(host, 'beginning a new file of the record');
  const place = await (await import('../record/log.ts')).placeOf(host, layout);
  if (place.to === 'file') await (await import('../record/rotate.ts')).rotate(place);
}

async function append(level: string, { host, layout }: CommandContext): Promise<void> {
  requireRoot(host, 'writing to the record');
  const { writeRecord } = await import('../record/write.ts');
  const { placeOf } = await import('../record/log.ts');
  await writeRecord(await placeOf(host, layout), readFileSync(0, 'utf8'), Number(level));
}

/** Where this node's record is; that of calls that failed by broken settings, where they are. */
async function recordPlace({ host, layout, output }: CommandContext): Promise<RecordPlace> {
  try {
    return (await readManifestIfThere(host, layout))?.log ?? defaultPlace;
  } catch (error) {
    if (!(error instanceof MounterError)) throw error;
    output.err(formatError(error));
    return defaultPlace;
  }
}

function parseCount(text: string): number {
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

/** What `--json` prints. */
export interface LogJson {
  readonly calls: readonly LoggedCall[];
}

export interface LoggedCall extends Omit<RecordedCall, 'timeMs'> {
  /** When the call ended, as in RFC 3339. */
  readonly time: string;
}

function forPrograms({ timeMs, ...call }: RecordedCall): LoggedCall {
  return { time: new Date(timeMs).toISOString(), ...call };
}

/** Columns below which what was mounted where has a line of its own. */
const narrow = 120;

/** A line for each call, and below a failure what it was. @param width of the terminal; undefined for whole lines. */
function forPeople(calls: readonly RecordedCall[], width = Number.POSITIVE_INFINITY): string {
  if (calls.length === 0) return 'no calls in the record\n';
  const isNarrow = width < narrow;
  const heading = ['TIME', 'COMMAND', 'RESULT', 'SECONDS', 'TYPE', ...(isNarrow ? [] : ['SOURCE', 'TARGET'])];
  const rows = calls.map((call) => [
    new Date(call.timeMs).toISOString().replace(/\.\d+Z$/, 'Z'),
    call.command,
    resultOf(call),
    (call.totalMs / 1000).toFixed(3),
    call.fstype ?? '-',
    ...(isNarrow ? [] : [aboutOf(call) ?? '-', call.target ?? '-']),
  ]);
  const colourOf = (cell: string, column: number) =>
    column !== 2 || cell === heading[2] ? undefined : cell.startsWith('ok') ? 'green' : 'red';
  const [first = '', ...lines] = table([heading, ...rows], width, { names: [5, 6], colourOf }).split(
    /(?<=\n)/,
  );
  const below = (call: RecordedCall) => [
    ...(isNarrow ? mountLines(call, width - indent.length) : []),
    ...explanation(call, width - indent.length),
  ];
  return [
    first,
    ...lines.flatMap((line, index) => [line, ...calls.slice(index, index + 1).flatMap(below)]),
  ].join('');
}

/** Of a call that mounted nothing, what it was called with. */
function aboutOf(call: RecordedCall): string | undefined {
  return call.source ?? (call.arguments?.join(' ') || undefined);
}

const indent = '    ';

function mountLines(call: RecordedCall, width: number): readonly string[] {
  const about = [aboutOf(call) ?? '', ...(call.target === undefined ? [] : [`on ${call.target}`])];
  return about.filter((text) => text !== '').map((text) => `${indent}${shortened(printable(text), width)}\n`);
}

/** The status of `exec` is its command's own; that of `doctor --repair` is 1 where something is left to mend. */
function resultOf({ errorClass, status, wasMounted }: RecordedCall): string {
  if (errorClass !== undefined) return errorClass;
  if (status !== 0) return `status ${status}`;
  return wasMounted ? 'ok (was mounted)' : 'ok';
}

/** Lines of what a helper said: the reason is among the last. */
const mostSaid = 3;

/** As the call itself told it. */
function explanation(call: RecordedCall, width: number): readonly string[] {
  if (call.errorClass === undefined) return [];
  const said = (call.helperOutput ?? '').split('\n').filter((line) => line.trim() !== '');
  return [
    failureWords(call),
    ...said.slice(-mostSaid),
    ...(call.hint === undefined ? [] : [`hint: ${call.hint}`]),
  ]
    .flatMap((text) => wrapped(printable(text), width))
    .map((line) => `${indent}${line}\n`);
}
