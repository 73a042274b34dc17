import { setTimeout } from 'node:timers/promises';
import { formatError, MounterError } from '../errors.ts';
import { exitCode } from '../exit-codes.ts';
import { type CallOnHost, onHost } from '../node-agent/on-host.ts';
import { type Duties, lastOutcome, type Report, readSettings, runRound } from '../node-agent/round.ts';
import { requireRoot } from '../rootfs/node.ts';
import type { CommandContext } from './context.ts';
import { type Flags, parseFlags } from './flags.ts';
import type { Output } from './output.ts';

/** After a round that failed. */
const retrySeconds = 10;
/** A ConfigMap that changes is seen within this. */
const settingsSeconds = 2;

/** The command that says on the host whether mounts would work. */
const readiness = ['doctor'];

/** `mounter node-agent`: what the DaemonSet's container runs. Ends at SIGTERM at once. */
export async function nodeAgent(
  argv: readonly string[],
  { layout, host, output }: CommandContext,
): Promise<number> {
  const flags = parseFlags('node-agent', argv, {
    boolean: ['once', 'check', 'helpers', 'remove'],
    string: ['interval'],
    operands: [0, 0],
  });
  requireRoot(host, 'setting a node up');
  const seconds = intervalSeconds(flags);
  const duties = { helpers: flags.has('helpers'), remove: flags.has('remove') };
  const call = onHost(layout.home);
  if (flags.has('check')) return await check(call, output);
  const report = reporter(output);
  if (flags.has('once'))
    return (await runRound(duties, call, report)) === undefined ? exitCode.system : exitCode.success;
  await keep(duties, seconds, call, report, output);
  return exitCode.success;
}

async function keep(
  duties: Duties,
  seconds: number,
  call: CallOnHost,
  report: Report,
  output: Output,
): Promise<void> {
  const end = new AbortController();
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => end.abort());
  let said = '';
  while (!end.signal.aborted) {
    const settings = readSettings();
    let isDone = false;
    try {
      isDone = (await runRound(duties, call, report, end.signal)) !== undefined;
      said = '';
    } catch (error) {
      if (!(error instanceof MounterError)) throw error;
      if (said !== error.message) output.err(formatError(error));
      said = error.message;
    }
    await pause(isDone ? seconds : Math.min(seconds, retrySeconds), settings, end.signal);
  }
}

/** Until `seconds` have passed, the settings are others, or it is time to end. */
async function pause(seconds: number, settings: string, end: AbortSignal): Promise<void> {
  const until = performance.now() + seconds * 1000;
  while (!end.aborted && performance.now() < until && readSettings() === settings) {
    const left = until - performance.now();
    await setTimeout(Math.max(0, Math.min(left, settingsSeconds * 1000)), undefined, { signal: end }).catch(
      () => {},
    );
  }
}

/** The same words of the same step are said once, not in every round. */
function reporter(output: Output): Report {
  const before = new Map<string, string>();
  return ({ name }, { status, stdout, stderr }) => {
    const text = `${status} ${stdout}${stderr}`;
    if (before.get(name) !== text) {
      if (status === 0) output.out(stdout.replace(/^(?=.)/gm, `${name}: `));
      else output.err(`${name}: status ${status}\n${stderr}`);
    }
    before.set(name, text);
  };
}

/** The readiness probe. @returns 0 when the node is what it is meant to be. */
async function check(call: CallOnHost, output: Output): Promise<number> {
  const outcome = lastOutcome();
  if (outcome === undefined) {
    output.err('not ready: the last round failed, or none has ended yet; see the log of this container\n');
    return exitCode.usage;
  }
  if (outcome !== 'prepared') return exitCode.success;
  const { status, stdout, stderr } = await call(readiness);
  if (status !== 0) output.err(`not ready: mounter ${readiness.join(' ')} on the host:\n${stdout}${stderr}`);
  return status === 0 ? exitCode.success : exitCode.usage;
}

function intervalSeconds(flags: Flags): number {
  const word = flags.value('interval') ?? '60';
  if (/^[1-9]\d{0,4}$/.test(word)) return Number(word);
  throw new MounterError(`${word} is no number of seconds from 1 to 99999`, {
    subject: '--interval',
    status: exitCode.usage,
    hint: 'such as --interval 60',
  });
}
