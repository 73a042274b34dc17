import { readFileSync } from 'node:fs';
import { execa } from 'execa';
import { parseRecord, type RecordedCall } from '../../../src/record/parse.ts';
import { callsTo, type Ended, mixed, type StormCall, standInSource } from './calls.ts';
import { launch } from './launch.ts';
import { remains } from './left.ts';
import { watchMemory } from './memory.ts';
import { type Outcome, type Storm, type StormReport, spreadWithTail } from './report.ts';

/** Makes one storm on a node, and takes everything back. */
export async function makeStorm(
  storm: Storm,
  launchProgram: string,
  mounter: string,
  sourceOf = standInSource,
): Promise<StormReport> {
  // Nothing is remembered of any server then.
  await execa(mounter, ['prepare']);
  const before = remains();
  const healthy = callsTo('healthy', storm.healthy, sourceOf);
  const dead = callsTo('dead', storm.dead, sourceOf);
  if (storm.isRemembered === true) await launch(launchProgram, mounter, dead.slice(0, 1));
  const memory: number[] = [];
  const watch = async (over: AbortSignal) => {
    memory.push(...(await watchMemory(over, 500)));
  };
  const started = performance.now();
  const beside = storm.watchesMemory === true ? watch : undefined;
  const ended = await launch(launchProgram, mounter, mixed(healthy, dead), beside);
  const wholeMs = performance.now() - started;
  await unmount(ended);
  const record = recordOf();
  return {
    storm,
    healthy: outcomeOf(healthy, ended, record),
    dead: outcomeOf(dead, ended, record),
    peakMb: storm.watchesMemory === true ? Math.max(...memory) : null,
    wholeMs,
    before,
    after: remains(),
  };
}

async function unmount(ended: readonly Ended[]): Promise<void> {
  const targets = ended.filter(({ status }) => status === 0).map(({ call }) => call.target);
  if (targets.length > 0) await execa('umount', ['--no-canonicalize', ...targets]);
}

/** The last line for each target. */
function recordOf(): ReadonlyMap<string, RecordedCall> {
  const calls = parseRecord(readFileSync('/var/log/containerized-mounter/mounter.log', 'utf8'));
  return new Map(calls.map((call) => [call.target ?? '', call]));
}

function outcomeOf(
  calls: readonly StormCall[],
  all: readonly Ended[],
  record: ReadonlyMap<string, RecordedCall>,
): Outcome | null {
  const targets = new Set(calls.map(({ target }) => target));
  const ended = all.filter(({ call }) => targets.has(call.target));
  if (ended.length === 0) return null;
  const failed = new Map<string, number>();
  let remembered = 0;
  for (const { call, status } of ended) {
    if (status === 0) continue;
    const { errorClass = 'not on record', isRemembered = false } = record.get(call.target) ?? {};
    failed.set(errorClass, (failed.get(errorClass) ?? 0) + 1);
    if (isRemembered) remembered += 1;
  }
  return {
    calls: ended.length,
    succeeded: ended.filter(({ status }) => status === 0).length,
    failed: Object.fromEntries(failed),
    remembered,
    wallMs: spreadWithTail(ended.map(({ wallMs }) => wallMs)),
    firstWords: ended.find(({ status }) => status !== 0)?.output ?? null,
  };
}
