import { setImmediate } from 'node:timers/promises';
import test from 'ava';
import type { Command, Outcome } from '../../../src/host/host.ts';
import type { Connection, MountHost } from '../../../src/host/mount-host.ts';
import { AtOnce } from '../../../src/mount/probe/at-once.ts';
import { examine } from '../../../src/mount/probe/examine.ts';
import { contextOf, planFor, preparedNode, target } from '../../support/model/node-model.ts';

/** However many servers and addresses there are: so many questions at once, within the limit, and none left over. */

interface Network {
  /** What getent answers; unknown if left out. */
  readonly getent?: (name: string) => Partial<Outcome> | Error;
  readonly connect?: (address: string) => Connection;
  /** How long each question takes, by the model's clock. */
  readonly questionMs?: number;
}

interface Seen {
  asked: number;
  running: number;
  most: number;
}

const seen = (): Seen => ({ asked: 0, running: 0, most: 0 });

/** Several questions go on at once, and an abort ends them, as on a real host. */
function world({ getent = () => ({ status: 2 }), connect = () => 'refused', questionMs = 1 }: Network) {
  const model = preparedNode();
  const programs = seen();
  const connections = seen();
  const during = async (counted: Seen, limitMs: number, over: AbortSignal | undefined) => {
    counted.asked += 1;
    counted.running += 1;
    counted.most = Math.max(counted.most, counted.running);
    const endMs = model.now() + Math.min(questionMs, limitMs);
    await setImmediate();
    if (over?.aborted !== true && model.now() < endMs) await model.sleep(endMs - model.now());
    counted.running -= 1;
    return questionMs > limitMs;
  };
  const host: MountHost = {
    ...model,
    run: async (command: Command) => {
      const isLate = await during(programs, command.deadlineMs, command.signal);
      const answer = getent(command.argv.at(-1) ?? '');
      if (answer instanceof Error) throw answer;
      return { status: 0, output: '', endedBy: isLate ? 'deadline' : 'itself', ...answer };
    },
    connect: async (address, _port, { timeoutMs, signal }) => {
      const isLate = await during(connections, timeoutMs, signal);
      return isLate ? 'silent' : connect(address);
    },
  };
  return { host, programs, connections };
}

const names = (count: number) => Array.from({ length: count }, (_, index) => `server${index}.example`);
const addresses = (count: number) =>
  Array.from({ length: count }, (_, index) => `10.1.${index >> 8}.${index & 255}`);
const linesOf = (list: readonly string[]) => list.map((address) => `${address} STREAM x\n`).join('');

async function ask(host: MountHost, servers: readonly string[]) {
  const [first, ...backups] = servers;
  const options = `backup-volfile-servers=${backups.join(':')}`;
  const plan = planFor('-t', 'glusterfs', '-o', options, `${first}:vol`, target);
  const context = { ...contextOf(preparedNode()), host };
  return examine(plan, context, new AbortController().signal);
}

for (const count of [80, 300, 3000]) {
  test(`${count} names: 8 questions at once, all of them asked`, async (t) => {
    const { host, programs } = world({});
    t.like(await ask(host, names(count)), { kind: 'unresolved', server: 'server0.example' });
    t.deepEqual(programs, { asked: count, running: 0, most: 8 });
  });
}

test('a name with 500 addresses, each of which refuses', async (t) => {
  const { host, connections } = world({ getent: () => ({ output: linesOf(addresses(500)) }) });
  t.like(await ask(host, ['srv']), { connection: 'refused', address: '10.1.0.0' });
  t.deepEqual(connections, { asked: 500, running: 0, most: 32 });
});

test('one address that answers ends the questions to all others', async (t) => {
  const { host, programs, connections } = world({
    getent: () => ({ output: linesOf(addresses(500)) }),
    connect: (address) => (address === '10.1.0.40' ? 'open' : 'refused'),
  });
  t.is(await ask(host, names(300)), undefined);
  t.true(programs.asked <= 64 && connections.asked <= 200, `${programs.asked}, ${connections.asked}`);
  t.deepEqual([programs.running, connections.running], [0, 0]);
});

test('more silent servers than can be asked within the limit: nobody can tell', async (t) => {
  const { host, connections } = world({ questionMs: 1e9 });
  t.is(await ask(host, addresses(33)), undefined);
  t.deepEqual(connections, { asked: 32, running: 0, most: 32 });
  t.true(host.now() <= 5000, `${host.now()} ms`);
});

test('as many silent servers as can be asked', async (t) => {
  const { host } = world({ questionMs: 1e9 });
  t.like(await ask(host, addresses(32)), { connection: 'silent', address: '10.1.0.0' });
});

test('300 names of a DNS that is silent: the limit is kept', async (t) => {
  const { host, programs } = world({ questionMs: 1e9, getent: () => ({}) });
  t.is(await ask(host, names(300)), undefined);
  t.deepEqual(programs, { asked: 8, running: 0, most: 8 });
  t.true(host.now() <= 5000, `${host.now()} ms`);
});

test('a question that cannot be asked says nothing, and leaves none of the others behind', async (t) => {
  const failing = (name: string) => (name === 'server3.example' ? new Error('EAGAIN: fork') : { status: 2 });
  const { host, programs } = world({ getent: failing });
  t.is(await ask(host, names(80)), undefined);
  t.is(programs.running, 0);
});

test('an output of which the beginning may be lost is no list of addresses', async (t) => {
  const { host, connections } = world({ getent: () => ({ output: linesOf(addresses(4000)) }) });
  t.is(await ask(host, ['srv']), undefined);
  t.is(connections.asked, 0);
});

test('places are given in order, also after a failure', async (t) => {
  const atOnce = new AtOnce(2);
  const began: number[] = [];
  const all = Array.from({ length: 6 }, (_, index) =>
    atOnce.run(async () => {
      began.push(index);
      await setImmediate();
      if (index % 2 === 0) throw new Error(`${index}`);
      return index;
    }),
  );
  const ends = await Promise.allSettled(all);
  t.deepEqual(began, [0, 1, 2, 3, 4, 5]);
  t.deepEqual(
    ends.map(({ status }) => status === 'fulfilled'),
    [false, true, false, true, false, true],
  );
});
