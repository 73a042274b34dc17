import { setTimeout } from 'node:timers/promises';
import test from 'ava';
import { askVolumes, type VolumeLimits } from '../../../src/volumes/ask.ts';
import { inVirtualTime } from '../../support/virtual-time.ts';

const limits: VolumeLimits = { answerMs: 40, groupMs: 20, lastMs: 20_000, oneByOne: 8, atOnce: 8 };
const fine = { status: 0, output: '' };
const gone = { status: 1, output: 'gone' };
const names = (count: number) => Array.from({ length: count }, (_, index) => `/v${index}`);

/** A node in which some volumes hang and some are gone. */
const node = (
  hangs: readonly string[],
  gones: readonly string[] = [],
  sleep: (ms: number) => Promise<void> = setTimeout,
) => {
  const hung = new Set(hangs);
  const dead = new Set(gones);
  let questions = 0;
  return {
    questions: () => questions,
    runBounded: async (targets: readonly string[], limitMs: number) => {
      questions += 1;
      if (targets.some((target) => hung.has(target))) {
        await sleep(limitMs);
        return undefined;
      }
      return new Map(targets.map((target) => [target, dead.has(target) ? gone : fine]));
    },
  };
};

test('few volumes are asked one by one', async (t) => {
  const { runBounded, questions } = node(['/v1'], ['/v2']);
  t.deepEqual([...(await askVolumes(names(4), runBounded, limits))].sort(), [
    ['/v0', fine],
    ['/v1', undefined],
    ['/v2', gone],
    ['/v3', fine],
  ]);
  t.is(questions(), 4);
});

test('on a node that takes its time, some that are well take one question', async (t) => {
  const { runBounded, questions } = node([]);
  t.is((await askVolumes(names(9), runBounded, limits)).size, 9);
  t.is(questions(), 1);
});

test('many that are well take few questions', async (t) => {
  const { runBounded, questions } = node([]);
  t.is((await askVolumes(names(1000), runBounded, limits)).size, 1000);
  t.is(questions(), 32);
});

test('of many, the ones that hang or are gone are found', async (t) => {
  const { runBounded } = node(['/v7'], ['/v8', '/v999']);
  const answers = await askVolumes(names(1000), runBounded, limits);
  t.is(answers.size, 1000);
  const faults = [...answers].filter(([, answer]) => answer !== fine).sort();
  t.deepEqual(faults, [
    ['/v7', undefined],
    ['/v8', gone],
    ['/v999', gone],
  ]);
});

test('ten thousand of which each is gone take no more questions than if they were well', async (t) => {
  const all = names(10_000);
  const { runBounded, questions } = node([], all);
  const answers = await askVolumes(all, runBounded, limits);
  t.true(answers.size === 10_000 && [...answers.values()].every((answer) => answer === gone));
  t.is(questions(), 313);
});

test('what one question leaves open of a group is asked for itself', async (t) => {
  const { runBounded } = node([], ['/v40']);
  const half = async (targets: readonly string[], limitMs: number) => {
    const found = await runBounded(targets, limitMs);
    return found === undefined || targets.length === 1 ? found : new Map([...found].slice(0, 16));
  };
  const answers = await askVolumes(names(1000), half, limits);
  t.is(answers.size, 1000);
  t.is(answers.get('/v40'), gone);
});

for (const count of [1000, 10_000]) {
  test.serial(`${count} that hang: some are found, the others are left, and it ends`, async (t) => {
    const all = names(count);
    const answers = await inVirtualTime(async (sleep) => {
      const began = performance.now();
      const found = await askVolumes(all, node(all, [], sleep).runBounded, { ...limits, lastMs: 300 });
      t.true(performance.now() - began < 2000);
      return found;
    });
    t.true(answers.size > 0 && answers.size < count, `${answers.size}`);
    t.true([...answers.values()].every((answer) => answer === undefined));
  });
}
