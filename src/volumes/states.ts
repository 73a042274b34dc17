import type { Host } from '../host/host.ts';
import type { MountEntry } from '../host/mountinfo.ts';
import { enteringArgv, findProgram } from '../host/programs.ts';
import type { BoundedResult, RunBounded } from '../host/run-bounded.ts';
import { rootfsEntrance } from '../rootfs/entrance.ts';
import { type AskTargets, askVolumes } from './ask.ts';
import type { Volume } from './volumes.ts';

/** What a volume may be found to be, and what that means. */
export const stateMeanings = {
  alive: 'it answers',
  /** ENOTCONN */
  dead: 'its FUSE daemon is gone',
  /** ESTALE */
  stale: 'its server no longer knows what was mounted',
  silent: 'no answer: its server is gone or out of reach, or its FUSE daemon hangs',
  error: 'it answers with another error',
  'not-asked': 'there was no time left: others are silent, or the node is slow',
} as const;

export type VolumeState = keyof typeof stateMeanings;

export interface VolumeAnswer {
  readonly state: VolumeState;
  /** Its last words, where there are some. */
  readonly words: string;
}

/**
 * Each volume is asked for its statfs(2), which goes to the server whatever is cached, by a process that can be
 * left behind: one that waits in the kernel for a dead server may not even die of SIGKILL.
 * @param volumes with distinct targets.
 * @param entries the mount table that they are from.
 * @param statfs as `statfsArgv` gives it.
 * @returns target → answer, for every volume, in less than 3 s.
 */
export async function askStates(
  volumes: readonly Volume[],
  entries: readonly MountEntry[],
  statfs: readonly string[],
  runBounded: RunBounded,
): Promise<ReadonlyMap<string, VolumeAnswer>> {
  const askTargets: AskTargets = async (targets, limitMs) => {
    const answer = await runBounded([...statfs, ...targets], limitMs);
    return answer === undefined ? undefined : answersOf(targets, answer);
  };
  const alike = groupAlike(volumes, entries);
  const asked = [...alike.values()].flatMap(([first]) => first ?? []);
  const inOrder = asked.toSorted((a, b) => serverOf(a.source).localeCompare(serverOf(b.source)));
  const answers = await askVolumes(
    inOrder.map(({ target }) => target),
    askTargets,
  );
  return new Map(
    [...alike.values()].flatMap((group) => {
      const first = group[0]?.target ?? '';
      const answer = answers.has(first) ? judge(answers.get(first)) : notAsked;
      return group.map(({ target }) => [target, answer] as const);
    }),
  );
}

/** The first of those that are one and the same: what is mounted in several places is asked once. */
export function firstOfEach(volumes: readonly Volume[], entries: readonly MountEntry[]): readonly Volume[] {
  return [...groupAlike(volumes, entries).values()].flatMap(([first]) => first ?? []);
}

/** Two exports may be one filesystem, and one of them stale. */
function groupAlike(
  volumes: readonly Volume[],
  entries: readonly MountEntry[],
): ReadonlyMap<string, readonly Volume[]> {
  const byTarget = new Map(entries.map((entry) => [entry.mountPoint, entry]));
  return Map.groupBy(volumes, ({ target }) => {
    const entry = byTarget.get(target);
    return entry === undefined ? target : `${entry.device} ${entry.root} ${entry.source}`;
  });
}

/**
 * The command that asks for statfs(2): the host's stat(1), or where a minimal host has none, that of a rootfs which
 * sees the same volumes because it is entered by chroot(2).
 * @param root the rootfs in use.
 * @returns undefined where neither the host nor a rootfs that sees the volumes has one.
 */
export function statfsArgv(root: string, host: Host): readonly string[] | undefined {
  const words = ['-f', '--'];
  try {
    return [findProgram('stat'), ...words];
  } catch {
    const entry = rootfsEntrance(root, host);
    return entry.kind === 'chroot' ? enteringArgv(entry, ['stat', ...words]) : undefined;
  }
}

/** Paths that stat(1) prints unchanged between its quotes. */
const plainTarget = /^[\w./:~@%+=,-]+$/;

/**
 * What stat(1) has said of each target. It goes on with the next one after an error.
 *
 * ```
 * stat: cannot read file system information for '/k/pods/a': Stale file handle
 * ```
 * @returns an answer for each target of which that can be told.
 */
export function answersOf(
  targets: readonly string[],
  answer: BoundedResult,
): ReadonlyMap<string, BoundedResult> {
  const [only, ...more] = targets;
  if (only !== undefined && more.length === 0)
    return new Map([[only, { ...answer, output: lineAfter(`'${only}': `, answer.output) ?? answer.output }]]);
  if (answer.status === 0) return new Map(targets.map((target) => [target, answer]));
  const errors = new Map<string, BoundedResult>();
  for (const target of targets.filter((each) => plainTarget.test(each))) {
    const output = lineAfter(`'${target}': `, answer.output);
    if (output !== undefined) errors.set(target, { status: answer.status, output });
  }
  const isComplete = errors.size === answer.output.split('file system information for ').length - 1;
  if (errors.size === 0 || !isComplete) return errors;
  return new Map(targets.map((target) => [target, errors.get(target) ?? { status: 0, output: '' }]));
}

/** From `mark` to the end of its line; what stat says on stdout may come in between the lines of its errors. */
function lineAfter(mark: string, output: string): string | undefined {
  const at = output.indexOf(mark);
  return at < 0 ? undefined : output.slice(at + mark.length).split('\n', 1)[0];
}

const notAsked: VolumeAnswer = { state: 'not-asked', words: '' };

/** @param answer undefined when there was none within the limit. */
export function judge(answer: BoundedResult | undefined): VolumeAnswer {
  if (answer === undefined) return { state: 'silent', words: '' };
  const words = answer.output.trim().split('\n').at(-1) ?? '';
  if (answer.status === 0) return { state: 'alive', words: '' };
  if (answer.output.includes('Transport endpoint is not connected')) return { state: 'dead', words };
  if (/Stale (NFS )?file handle/.test(answer.output)) return { state: 'stale', words };
  return { state: 'error', words };
}

/** `server` of `server:/path`, `[fd00::5]:/path` or `//server/share`. */
export function serverOf(source: string): string {
  return /^\/\/([^/]+)/.exec(source)?.[1] ?? /^(\[[^\]]*\]|[^:]+)/.exec(source)?.[1] ?? source;
}
