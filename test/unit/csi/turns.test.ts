import { setTimeout } from 'node:timers/promises';
import test from 'ava';
import { Turns } from '../../../src/csi/turns.ts';

const never = new AbortController().signal;

test('one after the other for one volume, at once for others, whatever fails', async (t) => {
  const turns = new Turns();
  const said: string[] = [];
  const task = (name: string, ms: number, error?: Error) => async () => {
    said.push(`${name} begins`);
    await setTimeout(ms);
    said.push(`${name} ends`);
    if (error !== undefined) throw error;
  };
  const first = turns.take('a', never, task('first', 60, new Error('fails')));
  const second = turns.take('a', never, task('second', 1));
  const other = turns.take('b', never, task('other', 1));
  await t.throwsAsync(first, { message: 'fails' });
  await Promise.all([second, other]);
  t.deepEqual(said, [
    'first begins',
    'other begins',
    'other ends',
    'first ends',
    'second begins',
    'second ends',
  ]);
});

test('whoever is given up while it waits does nothing', async (t) => {
  const turns = new Turns();
  const over = new AbortController();
  const first = turns.take('a', never, () => setTimeout(30));
  const given = turns.take('a', over.signal, async () => t.fail());
  over.abort();
  await t.throwsAsync(given, { message: /another call is at work/ });
  await first;
});
