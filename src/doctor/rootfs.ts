import { hasSomeGuard, isGuardPlaced } from '../guard/place.ts';
import { isExecutable } from '../host/path-in-root.ts';
import { enteringArgv } from '../host/programs.ts';
import type { BoundedResult } from '../host/run-bounded.ts';
import { calledPaths, missingFrom, promisedPrograms } from '../image/versions/check.ts';
import { type Damage, damageOf, mendingHint } from '../image/versions/damage.ts';
import { trialOf } from '../image/versions/trial.ts';
import { currentDigest } from '../image/versions/versions.ts';
import { typesThat } from '../mount/filesystems/all.ts';
import { isEnterable, rootfsEntrance } from '../rootfs/entrance.ts';
import { hostPathOf } from '../rootfs/host-path.ts';
import type { DoctorContext } from './context.ts';
import { failing, type Judgement, ok, warning } from './finding.ts';

/** A program that says its version takes milliseconds; on a node under load, much longer. */
const answerMs = 3000;

/** Programs that the scripts call, and that need libraries which no promised program needs. */
const hasLibraries = /\/(glusterfs|rpcinfo)$/;

/** For reading the rootfs: one of 30 MB takes 0.1 s, on a node under load much longer, and an image may be larger. */
const readingMs = 2500;

const whole = 'is as it was installed, and has all that helpers and daemons need';
const wholeAsFarAsRead = `has all that helpers and daemons need; this node is too busy to read all of it within ${readingMs / 1000} s: run mounter doctor again`;

/** Whether the rootfs is as it was installed, and has all that the manifest promises and its scripts call. */
export async function checkContents({
  root,
  manifest,
  host,
  layout,
  lastLook,
  typesWith,
}: DoctorContext): Promise<readonly Judgement[]> {
  if (lastLook.isGood) return [];
  const hint = mendingHint(layout, currentDigest(layout));
  let isAllRead = true;
  const end = performance.now() + readingMs;
  const isInTime = () => {
    isAllRead = performance.now() < end;
    return isAllRead;
  };
  const damage = await damageOf(root, manifest, host, isInTime);
  const missing = missingFrom(root, manifest);
  const isGood = damage === undefined && missing.length === 0;
  // What was not read is no fault.
  if (isAllRead || !isGood) await lastLook.found('contents', isGood);
  if (damage !== undefined) return [judgeDamage(damage, missing, hint, { root, typesWith })];
  if (isGood) return [ok(root, isAllRead ? whole : wholeAsFarAsRead)];
  const another = 'run mounter install SOURCE, with a rootfs that has it';
  return missing.map((path) => failing(`${root}${path}`, 'is missing', another, typesWith(path)));
}

/**
 * What is damaged is failing for the types that need it, or for all where nobody knows.
 * @param missing of what is needed, a symlink whose end is damaged among it.
 */
function judgeDamage(
  { words, paths }: Damage,
  missing: readonly string[],
  hint: string,
  { root, typesWith }: Pick<DoctorContext, 'root' | 'typesWith'>,
): Judgement {
  const message = `is damaged: ${words}`;
  // Who needs a directory is told by what is damaged in it.
  const isHolder = (path: string) => paths.some((other) => other.startsWith(`${path}/`));
  const told = paths.map((path) => typesWith(path) ?? (isHolder(path) ? [] : undefined));
  if (told.length === 0 || told.includes(undefined)) return failing(root, message, hint);
  const types = new Set([...told, ...missing.map(typesWith)].flatMap((some) => some ?? []));
  return types.size === 0 ? warning(root, message, hint) : failing(root, message, hint, [...types]);
}

/** Whether what stands against the servers of GlusterFS is in place: a mount refuses to do without. */
export async function checkGuard({ root, manifest }: DoctorContext): Promise<readonly Judgement[]> {
  const guarded = typesThat(manifest, ({ isGuarded }) => isGuarded);
  if (guarded.length === 0 || (await isGuardPlaced(root))) return [];
  const mend = 'run mounter prepare';
  if (hasSomeGuard(root))
    return [warning(root, 'its glusterfs has the guard of another version of the mounter', mend)];
  return [failing(root, 'its glusterfs is not guarded from its servers', mend, guarded)];
}

/**
 * Whether the programs really run in there, each with all of its libraries. The helpers are asked for their version;
 * for the other programs the rootfs's own ld.so looks for the libraries. An unprepared rootfs is left out: without
 * /dev/null a script would make one.
 */
export async function checkPrograms(context: DoctorContext): Promise<readonly Judgement[]> {
  const { host, root, manifest, lastLook } = context;
  if (lastLook.isGood) return [];
  if (!isEnterable(host, rootfsEntrance(root, host))) return [];
  if (host.stat(hostPathOf('/dev/null', { rootfs: root }, manifest, host))?.kind !== 'device') return [];
  const called = calledPaths(root, manifest).filter((path) => hasLibraries.test(path));
  const promised = [...promisedPrograms(manifest).filter((path) => isExecutable(root, path)), ...called];
  const tried = await Promise.all(promised.map((path) => tryProgram(path, context)));
  const failed = tried.filter((finding) => finding !== undefined);
  // Nor is what was slow.
  const isGood = failed.length === 0;
  if (isGood || failed.some(({ level }) => level === 'failing')) await lastLook.found('programs', isGood);
  if (!isGood) return failed;
  return [ok(promised.join(', '), 'run, with all their libraries')];
}

async function tryProgram(
  path: string,
  { host, root, manifest, layout, runBounded, typesWith }: DoctorContext,
): Promise<Judgement | undefined> {
  const trial = trialOf(root, path, manifest);
  if (trial === undefined) return undefined;
  const answer = await runBounded(enteringArgv(rootfsEntrance(root, host), trial.argv), answerMs);
  return judgeTrial(path, answer, mendingHint(layout, currentDigest(layout)), () => typesWith(path));
}

/** @param answer to its trial. @param typesWith says which types need it. @returns undefined when it runs. */
export function judgeTrial(
  path: string,
  answer: BoundedResult | undefined,
  hint: string,
  typesWith: () => readonly string[] | undefined,
): Judgement | undefined {
  if (answer?.status === 0) return undefined;
  // Slow, which a mount may be as well: no proof that one would fail.
  if (answer === undefined)
    return warning(
      path,
      `did not say its version within ${answerMs / 1000} s`,
      'see whether the disk of the rootfs answers, and the load of the node',
    );
  const line = answer.output.trim().split('\n').at(-1) || `status ${answer.status}`;
  return failing(path, `cannot run in the rootfs: ${line}`, hint, typesWith());
}
