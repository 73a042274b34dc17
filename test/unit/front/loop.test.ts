import test from 'ava';
import { Loop } from '../../../src/front/loop.ts';

/** A kernel whose clock goes on only while it waits, and whose descriptors are ready when told so. */
function kernel() {
  const state = { nowMs: 1000, ready: new Map<number, number>(), waits: [] as number[] };
  const loop = new Loop({
    now: () => state.nowMs,
    poll: (fds, events, timeoutMs) => {
      state.waits.push(timeoutMs);
      const found = fds.map((fd, index) => (state.ready.get(fd) ?? 0) & (events[index] ?? 0));
      if (timeoutMs > 0 && found.every((each) => each === 0)) state.nowMs += timeoutMs;
      return found;
    },
  });
  return { state, loop };
}

test('timers are called in the order in which they are due, each once', (t) => {
  const { loop } = kernel();
  const called: string[] = [];
  loop.setTimer(() => called.push('late'), 30);
  loop.setTimer(() => called.push('early'), 10.5);
  loop.turn();
  t.deepEqual(called, ['early']);
  loop.turn();
  t.deepEqual(called, ['early', 'late']);
  t.throws(() => loop.turn(), { message: /nothing is left to wait for/ });
});

test('a timer that is cleared is not waited for, also by another timer that is due with it', (t) => {
  const { loop } = kernel();
  const called: string[] = [];
  loop.setTimer(() => {
    called.push('first');
    loop.clearTimer(second);
  }, 5);
  const second = loop.setTimer(() => called.push('second'), 5);
  loop.turn();
  t.deepEqual(called, ['first']);
  loop.clearTimer(undefined);
});

test('a descriptor calls back while it is ready, until nobody watches it', (t) => {
  const { loop, state } = kernel();
  let calls = 0;
  const unwatch = loop.watch(7, 1, () => {
    calls += 1;
  });
  state.ready.set(7, 1);
  loop.turn();
  loop.turn();
  t.is(calls, 2);
  t.deepEqual(state.waits, [-1, -1], 'without a timer there is no limit');
  unwatch();
  t.throws(() => loop.turn());
});

test('one that is ready for something else does not call back', (t) => {
  const { loop, state } = kernel();
  loop.watch(7, 4, () => t.fail());
  state.ready.set(7, 1);
  loop.setTimer(() => {}, 20);
  loop.turn();
  t.deepEqual(state.waits, [20]);
});

test('what nobody awaits is no reason to wait', (t) => {
  const { loop } = kernel();
  loop.watch(7, 1, () => {}, false);
  t.throws(() => loop.turn(), { message: /nothing is left to wait for/ });
});

/** A kernel whose poll(2) fails so often, then finds descriptor 7 ready. */
function failingKernel(failures: number) {
  const state = { nowMs: 0, left: failures };
  const poll = (fds: readonly number[], _events: readonly number[], timeoutMs: number) => {
    state.left -= 1;
    if (state.left < 0) return fds.map((fd) => Number(fd === 7));
    state.nowMs += Math.max(0, timeoutMs);
    return -12;
  };
  return { state, loop: new Loop({ now: () => state.nowMs, poll }) };
}

test('a poll(2) that fails is tried again, and what is ready is not lost', (t) => {
  const { loop } = failingKernel(7);
  let calls = 0;
  loop.watch(7, 1, () => {
    calls += 1;
  });
  for (let turns = 0; turns < 10 && calls === 0; turns += 1) loop.turn();
  t.is(calls, 1);
});

test('a poll(2) that always fails keeps no timer from ending the wait', (t) => {
  const { loop, state } = failingKernel(Number.POSITIVE_INFINITY);
  loop.watch(7, 1, () => t.fail());
  let isDue = false;
  loop.setTimer(() => {
    isDue = true;
  }, 5000);
  while (!isDue) loop.turn();
  t.true(state.nowMs >= 5000 && state.nowMs < 15_000, `${state.nowMs} ms`);
});

test('a poll(2) that always fails, and no timer: an error with its number', (t) => {
  const { loop } = failingKernel(Number.POSITIVE_INFINITY);
  loop.watch(7, 1, () => {});
  t.throws(
    () => {
      for (let turns = 0; turns < 1000; turns += 1) loop.turn();
    },
    { message: 'poll(2) failed with errno 12' },
  );
});
