import { setTimeout } from 'node:timers/promises';
import test from 'ava';
import { askVolumes, type VolumeLimits } from '../../../src/doctor/ask-volumes.ts';

const limits: VolumeLimits = { answerMs: 40, groupMs: 20, lastMs: 20_000, atOnce: 8 };
const fine = { status: 0, output: '' };
const gone = { status: 1, output: 'gone' };
const names = (count: number) => Array.from({ length: count }, (_, index) => `/v${index}`);

/** A node in which some volumes hang and some are gone. */
const node = (hung: readonly string[], dead: readonly string[] = []) => {
  let questions = 0;
  return {
    questions: () => questions,
    ask: async (targets: readonly string[], limitMs: number) => {
      questions += 1;
      if (targets.some((target) => hung.includes(target))) return setTimeout(limitMs, undefined);
      return targets.some((target) => dead.includes(target)) ? gone : fine;
    },
  };
};

test('few volumes are asked one by one', async (t) => {
  const { ask, questions } = node(['/v1'], ['/v2']);
  t.deepEqual([...(await askVolumes(names(4), ask, limits))].sort(), [
    ['/v0', fine],
    ['/v1', undefined],
    ['/v2', gone],
    ['/v3', fine],
  ]);
  t.is(questions(), 4);
});

test('many that are well take few questions', async (t) => {
  const { ask, questions } = node([]);
  t.is((await askVolumes(names(1000), ask, limits)).size, 1000);
  t.is(questions(), 32);
});

test('of many, the ones that hang or are gone are found', async (t) => {
  const { ask } = node(['/v7'], ['/v8', '/v999']);
  const answers = await askVolumes(names(1000), ask, limits);
  t.is(answers.size, 1000);
  const faults = [...answers].filter(([, answer]) => answer !== fine).sort();
  t.deepEqual(faults, [
    ['/v7', undefined],
    ['/v8', gone],
    ['/v999', gone],
  ]);
});

test('a thousand that hang: some are found, the others are left, and it ends', async (t) => {
  const all = names(1000);
  const answers = await askVolumes(all, node(all).ask, { ...limits, lastMs: 60 });
  t.true(answers.size < 1000);
  t.true([...answers.values()].every((answer) => answer === undefined));
});
