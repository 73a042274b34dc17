import { lstatSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { verdictWords } from '../doctor/verdict.ts';
import { printableLines } from '../errors.ts';
import { fileHost } from '../host/file-host.ts';
import { writeAtomically } from '../host/replace.ts';
import { jsonOrUndefined } from '../json.ts';
import type { Layout } from '../node/layout.ts';
import { offFiles } from '../node/off.ts';
import type { NodeStatus } from '../status/node.ts';
import { gateState, readGate } from './gate.ts';
import { type Called, type CallOnHost, pathOnHost, seenFromHost } from './on-host.ts';
import type { Outcome } from './outcome.ts';
import {
  manifestPath,
  scratchDirectory,
  settingsPath,
  toolsDigest,
  toolsImage,
  toolsManifest,
} from './places.ts';
import { applySettings, clusterDns } from './settings.ts';

/** What the operator of the cluster wants of all nodes, as text. */
export interface Wish {
  readonly gate: string | undefined;
  /** '' where there are none. */
  readonly settings: string;
}

export function readWish(): Wish {
  return { gate: readGate(), settings: readIfThere(settingsPath) };
}

/** @returns '' where the file is missing, or is taken away at this moment. */
function readIfThere(path: string): string {
  return fileHost.readText(path) ?? '';
}

/** Calls on the host, one after the other, by the names that are shown of them. */
type Steps = Readonly<Record<string, readonly string[]>>;

/** Told of each step that ended. */
export type Report = (name: string, called: Called) => void;

export interface RoundContext {
  readonly layout: Layout;
  /** mount(8)'s helpers too. */
  readonly helpers: boolean;
  /** Where the host's node-exporter reads, on the host. */
  readonly metricsFile: string | undefined;
  readonly call: CallOnHost;
  readonly report: Report;
  /** What else the node is not ready without; undefined once it is there. */
  readonly lacks: () => Promise<string | undefined>;
}

/** No step takes so long on a node that works. */
const longestStepMs = 10 * 60_000;

/**
 * One round: makes of the node what is wished. What is in order already stays as it is, so that a second round changes
 * nothing. Off and removed come first and need nothing of what the other steps need: not one of those is begun.
 * @param signal ends the step at work, and the round.
 * @throws MounterError for a wish that is not valid; nothing is done then.
 */
export async function runRound(wish: Wish, context: RoundContext, signal: AbortSignal): Promise<Outcome> {
  const state = gateState(wish.gate);
  const off = { disable: ['disable', '--fleet'] };
  const undo = { ...off, teardown: ['teardown', '--keep-kubelet'] };
  if (state === 'removed') return await runSteps(undo, 'removed', context, signal);
  const isEnabled = state === 'on' && writeManifest(wish).enabled;
  return isEnabled ? await turnOn(context, signal) : await runSteps(off, 'turned off', context, signal);
}

async function turnOn(context: RoundContext, signal: AbortSignal): Promise<Outcome> {
  const ready = { install: installArgv(), enable: ['enable', '--fleet'] };
  const first = await runSteps(ready, 'prepared', context, signal);
  if (!first.isReady) return first;
  const file = offFiles(context.layout).find(
    (path) => lstatSync(pathOnHost(path), { throwIfNoEntry: false }) !== undefined,
  );
  if (file !== undefined) return { isReady: true, text: `turned off by hand on this node: ${file}` };
  const helpers: Steps = context.helpers ? { helpers: ['install', '--helpers'] } : {};
  const rest = { ...helpers, prune: ['prune'] };
  const second = await runSteps(rest, 'prepared', context, signal);
  return second.isReady ? await examineNode(context, signal) : second;
}

async function runSteps(
  steps: Steps,
  outcome: string,
  { call, report }: RoundContext,
  signal: AbortSignal,
): Promise<Outcome> {
  for (const [name, argv] of Object.entries(steps)) {
    const called = await call(argv, AbortSignal.any([signal, AbortSignal.timeout(longestStepMs)]));
    if (signal.aborted) return { isReady: false, text: `${name}: ended, for something else is wished now` };
    report(name, called);
    if (called.status !== 0) return { isReady: false, text: reasonFirst(name, called) };
  }
  return { isReady: true, text: outcome };
}

/** `SUBJECT: what happened; what to do`, then which step it was. */
function reasonFirst(name: string, { status, stderr }: Called): string {
  const lines = stderr.trimEnd().split('\n');
  // Before it there may be notices.
  const error = lines.findLastIndex((line) => line.startsWith('mounter: '));
  const words = error < 0 ? lines : [lines[error]?.slice('mounter: '.length), ...lines.toSpliced(error, 1)];
  return `${words.join('\n')}\n(mounter ${name}: status ${status})`;
}

/** Whether mounts would work: the verdict of `mounter status` on the host, which costs less than doctor's advice. */
export async function examineNode(
  { call }: Pick<RoundContext, 'call'>,
  signal: AbortSignal,
): Promise<Outcome> {
  const called = await call(['status', '--json'], AbortSignal.any([signal, AbortSignal.timeout(60_000)]));
  const status = jsonOrUndefined(called.stdout) as Pick<NodeStatus, 'verdict' | 'failing'> | undefined;
  if (status === undefined) return { isReady: false, text: reasonFirst('status', called) };
  const isReady = status.verdict.node !== 'failing';
  const lines = status.failing.map(
    ({ subject, message, hint }) => `${subject}: ${message}${hint === null ? '' : `; ${hint}`}`,
  );
  return {
    isReady,
    text: isReady ? verdictWords(status.verdict) : printableLines(lines.join('\n')),
    isExamined: true,
  };
}

/** Writes the metrics of the node, or takes them away from one that nothing is left on. */
export async function keepMetrics(wish: Wish, context: RoundContext, signal: AbortSignal): Promise<void> {
  const { metricsFile, call, report } = context;
  if (metricsFile === undefined) return;
  if (wish.gate?.trim() === 'removed') return removeMetrics(metricsFile, report);
  const argv = ['status', '--metrics', metricsFile];
  const called = await call(argv, AbortSignal.any([signal, AbortSignal.timeout(20_000)]));
  if (!signal.aborted) report('metrics', called);
}

function removeMetrics(file: string, report: Report): void {
  try {
    rmSync(pathOnHost(file), { force: true });
  } catch (error) {
    report('metrics', { status: 1, stdout: '', stderr: `${file} stays: ${(error as Error).message}\n` });
  }
}

function installArgv(): readonly string[] {
  const digest = readFileSync(toolsDigest, 'utf8').trim();
  const manifest = ['--manifest', seenFromHost(manifestPath)];
  return ['install', seenFromHost(toolsImage), '--digest', digest, ...manifest];
}

function writeManifest({ settings }: Wish): { readonly enabled: boolean } {
  const { text, manifest } = applySettings(
    readFileSync(toolsManifest, 'utf8'),
    settings,
    settingsPath,
    clusterDns(readIfThere('/etc/resolv.conf')),
  );
  mkdirSync(scratchDirectory, { recursive: true });
  writeAtomically(manifestPath, text, 0o644);
  return manifest;
}
