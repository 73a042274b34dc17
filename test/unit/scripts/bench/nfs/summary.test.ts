import test from 'ava';
import { parseResults } from '../../../../../scripts/bench/guest.ts';
import type { FirstMount, MountSample, NfsBenchResults } from '../../../../../scripts/bench/nfs/results.ts';
import { describeSummary } from '../../../../../scripts/bench/nfs/show.ts';
import { summarize } from '../../../../../scripts/bench/nfs/summary.ts';
import type { Sample } from '../../../../../scripts/bench/report/samples.ts';
import { type Outcome, type StormReport, spreadWithTail } from '../../../../../scripts/bench/storm/report.ts';
import type { EnterMode } from '../../../../support/node/enter-mode.ts';

function mount(round: number, enter: EnterMode, subject: Sample['subject'], wallMs: number): MountSample {
  return { round, enter, subject, wallMs, cpuMs: wallMs / 4, peakMb: 4 };
}

const granted: FirstMount = { status: 0, seconds: 1, isLocked: true, output: '' };
const refused: FirstMount = { status: 32, seconds: 11, isLocked: null, output: 'mount.nfs: …' };

function outcome(seconds: readonly number[], succeeded: number): Outcome {
  const wallMs = spreadWithTail(seconds.map((one) => one * 1000));
  return { calls: seconds.length, succeeded, failed: {}, remembered: 0, wallMs, firstWords: null };
}

const remains = { processes: [], mounts: 20, files: [] };

function storm(healthy: Outcome, dead: Outcome | null): StormReport {
  const made = { name: 'a storm', healthy: healthy.calls, dead: dead?.calls ?? 0 };
  return { storm: made, healthy, dead, peakMb: null, wholeMs: 9000, before: remains, after: remains };
}

/** The machine is twice as busy in the second round, and in the second storm. */
const results: NfsBenchResults = {
  mounts: [
    ...[mount(0, 'chroot', 'chroot', 100), mount(0, 'chroot', 'mounter', 90)],
    ...[mount(1, 'chroot', 'chroot', 200), mount(1, 'chroot', 'mounter', 180)],
    ...[mount(0, 'attach', 'mounter', 110), mount(1, 'attach', 'mounter', 220)],
  ],
  firstMounts: [granted, { ...granted, seconds: 4 }, { ...granted, seconds: 2, isLocked: false }],
  original: refused,
  helpedOriginal: granted,
  storms: [
    ...[storm(outcome([1, 2], 2), null), storm(outcome([1, 3], 2), outcome([6, 7], 0))],
    ...[storm(outcome([2, 4], 2), null), storm(outcome([2, 6], 1), outcome([6, 120], 0))],
  ],
};

const verdicts = (one: NfsBenchResults) =>
  summarize(one).targets.map(({ figure, isReached }) => [Number(figure.toFixed(2)), isReached]);

test('mounts are compared round by round, and storms with the one before', (t) => {
  t.deepEqual(verdicts(results), [
    [0.9, true],
    [1.1, false],
    [2, true],
    [1, false],
    [1, false],
    [1.5, true],
    [120, false],
  ]);
});

test('one way into the rootfs alone has one target of its own', (t) => {
  const chroot = { ...results, mounts: results.mounts.filter(({ enter }) => enter === 'chroot') };
  t.is(summarize(chroot).mounts.length, 2);
  t.deepEqual(
    summarize(chroot)
      .targets.map(({ title }) => title)
      .filter((title) => title.includes('NFSv4.2')),
    ["chroot: NFSv4.2 mount as a multiple of the original's"],
  );
});

test('a row for each command, for each way of a first mount, and for each kind of calls', (t) => {
  const { mounts, firstMounts, storms } = summarize(results);
  t.deepEqual(
    mounts.map(({ enter, subject, rounds, wallMs }) => [enter, subject, rounds, wallMs.median]),
    [
      ['chroot', 'chroot', 2, 150],
      ['chroot', 'mounter', 2, 135],
      ['attach', 'mounter', 2, 165],
    ],
  );
  t.deepEqual(
    firstMounts.map(({ runs, seconds, status, mounted, locked }) => [
      runs,
      seconds.median,
      status,
      mounted,
      locked,
    ]),
    [
      [3, 2, 0, 3, 2],
      [1, 11, 32, 0, 0],
      [1, 1, 0, 1, 1],
    ],
  );
  t.deepEqual(
    storms.map(({ calls, storms: made, made: all, succeeded, percentile99Ms, longestMs }) => [
      calls,
      made,
      all,
      succeeded,
      percentile99Ms,
      longestMs,
    ]),
    [
      ['healthy, alone', 2, 4, 4, 3000, 4000],
      ['healthy, beside the dead', 2, 4, 3, 4500, 6000],
      ['dead', 2, 4, 0, 63_500, 120_000],
    ],
  );
});

test('for people: a table for each measurement, and a line for each target', (t) => {
  const lines = describeSummary(summarize(results)).split('\n');
  const isIn = (pattern: RegExp) =>
    t.true(
      lines.some((line) => pattern.test(line)),
      String(pattern),
    );
  isIn(/^ +2 {2}chroot +mounter mount -t nfs +135\.0 .* 0\.90 +\[0\.90 0\.90\]$/);
  isIn(/^ +3 {2}mounter +mounted, 2 locked +2\.00 +1\.00\.\.4\.00$/);
  isIn(/^ +1 {2}the original +status 32, 0 mounted +11\.00 /);
  isIn(/^ +2 {2}healthy, beside the dead +mounted 3 of 4 +3\.00 +4\.50 +6\.00 +9\.00$/);
  isIn(/^reached: {5}chroot: NFSv4\.2 mount as a multiple of the original's: 0\.90 \(at most 1\)$/);
  isIn(/^NOT REACHED: the longest dead one, in seconds: 120\.00 \(at most 115\)$/);
});

test('the results are the one line of JSON among what the guest wrote', (t) => {
  t.deepEqual(parseResults(`a server\n${JSON.stringify(results)}\n`), results);
  t.throws(() => parseResults('a server\nit broke\n'), { message: 'the guest printed no results' });
});
