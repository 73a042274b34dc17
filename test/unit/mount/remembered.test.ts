import test, { type ExecutionContext } from 'ava';
import fc from 'fast-check';
import { MounterError } from '../../../src/errors.ts';
import type { Connection } from '../../../src/host/mount-host.ts';
import { parseMountArguments } from '../../../src/mount/arguments/argv.ts';
import { toMountRequest } from '../../../src/mount/arguments/request.ts';
import { examine } from '../../../src/mount/probe/examine.ts';
import { entriesOf, textOf } from '../../../src/mount/probe/failure-cache/text.ts';
import { runPlan } from '../../../src/mount/run.ts';
import { failuresDirectory } from '../../../src/node/layout.ts';
import type { HostModel } from '../../support/model/host-model.ts';
import {
  contextOf,
  isHelper,
  layout,
  manifest,
  planFor,
  planOf,
  preparedNode,
  target,
} from '../../support/model/node-model.ts';

/** A server that was found unreachable: the calls of the next five seconds know it. */

const rootfsTarget = `${layout.rootfs}${target}`;

/** A node whose helpers wait for 130 s where the server does not answer, and mount where it does. */
function node(connection: Connection): HostModel {
  const host = preparedNode();
  host.texts.set('/proc/self/stat', '7 (mounter) S 1 7 7 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 100 0');
  answers(host, connection);
  return host;
}

function answers(host: HostModel, connection: Connection): void {
  host.onConnect = () => [connection, connection === 'silent' ? 1e9 : 1];
  host.durationOf = ({ argv }) => (isHelper(argv) && connection !== 'open' ? 130_000 : 10);
  host.onRun = (command) => {
    const { argv } = command;
    if (!isHelper(argv)) return argv.includes('getent') ? { output: '10.0.0.5 STREAM srv\n' } : {};
    host.mountBy(command, { source: argv[1] ?? '', fstype: 'nfs4' });
    return {};
  };
}

const v4 = (source = '10.0.0.5:/x', options = 'vers=4') => ['-t', 'nfs', '-o', options, source, target];

async function fails(t: ExecutionContext, host: HostModel, argv: readonly string[] = v4()) {
  const before = { ms: host.now(), commands: host.commands.length };
  const error = await t.throwsAsync(runPlan(planFor(...argv), contextOf(host)), { instanceOf: MounterError });
  t.false(host.mounts.has(target));
  const ran = host.commands.slice(before.commands).some((command) => isHelper(command));
  return { error: error as MounterError, ms: host.now() - before.ms, ran };
}

async function mounts(host: HostModel, argv: readonly string[] = v4()): Promise<void> {
  await runPlan(planFor(...argv), contextOf(host));
  host.mounts.delete(target);
  host.mounts.delete(rootfsTarget);
}

const memories = (host: HostModel) =>
  [...host.texts.keys()].filter((path) => path.startsWith(failuresDirectory));

for (const [connection, errorClass, message] of [
  ['refused', 'connection-refused', /refuses connections to TCP port 2049/],
  ['noRoute', 'no-route', /there is no route to the server/],
  ['silent', 'server-silent', /does not answer at TCP port 2049 within 5 s/],
] as const) {
  test(`${errorClass}: the first call finds out, the second one fails at once with the same words`, async (t) => {
    const host = node(connection);
    const first = await fails(t, host);
    t.true(first.ran);
    t.is(first.error.errorClass, errorClass);
    t.false(first.error.isRemembered);
    await host.sleep(2000);
    const second = await fails(t, host);
    t.false(second.ran, 'no helper');
    t.is(second.ms, 0);
    t.regex(second.error.message, message);
    t.is(second.error.message, `${first.error.message} (found 2 s ago by another call)`);
    t.is(second.error.hint, first.error.hint);
    t.is(second.error.status, first.error.status);
    t.is(second.error.errorClass, errorClass);
    t.true(second.error.isRemembered);
  });
}

test('after limits.failureCacheSeconds the server is asked again, and nothing is left of it', async (t) => {
  const host = node('refused');
  await fails(t, host);
  await host.sleep(5100);
  const again = await fails(t, host);
  t.true(again.ran);
  t.false(again.error.isRemembered);
  t.is(memories(host).length, 1);
  await host.sleep(5100);
  await fails(t, host, v4('10.0.0.6:/x'));
  t.is(memories(host).length, 1, 'what has expired is removed by whoever remembers something');
});

test('limits.failureCacheSeconds of 0 turns it off', async (t) => {
  const host = node('refused');
  const limits = { ...manifest.limits, failureCacheSeconds: 0 };
  const context = { ...contextOf(host), manifest: { ...manifest, limits } };
  const plan = planOf(toMountRequest(parseMountArguments(v4())), context.manifest);
  t.false(plan.steps.some(({ kind }) => kind === 'checkServer'));
  for (let call = 0; call < 2; call += 1) {
    const error = await t.throwsAsync(runPlan(plan, context));
    t.false((error as MounterError).isRemembered);
  }
  t.deepEqual(memories(host), []);
});

const others: readonly (readonly [title: string, argv: readonly string[]])[] = [
  ['another server', v4('10.0.0.6:/x')],
  ['another version', v4('10.0.0.5:/x', 'vers=3,nolock')],
  ['another port', v4('10.0.0.5:/x', 'vers=4,port=20049')],
  ['another type', ['-t', 'glusterfs', '10.0.0.5:vol', target]],
];
for (const [title, argv] of others) {
  test(`${title} is another question`, async (t) => {
    const host = node('refused');
    await fails(t, host);
    t.true((await fails(t, host, argv)).ran);
  });
}

test('another export and other options of the same server are the same question', async (t) => {
  const host = node('refused');
  await fails(t, host);
  t.false((await fails(t, host, v4('10.0.0.5:/y', 'hard,vers=4.2'))).ran);
});

test('a mount that succeeds ends it early, for every question to that server', async (t) => {
  const host = node('refused');
  await fails(t, host);
  answers(host, 'open');
  await mounts(host, v4('10.0.0.5:/x', 'vers=3,nolock'));
  t.deepEqual(memories(host), []);
  await mounts(host);
});

for (const file of ['/etc/resolv.conf', '/etc/hosts']) {
  test(`a changed ${file} of the rootfs ends it`, async (t) => {
    const host = node('refused');
    host.file(`${layout.rootfs}${file}`);
    await fails(t, host, v4('srv:/x'));
    t.false((await fails(t, host, v4('srv:/x'))).ran);
    host.file(`${layout.rootfs}${file}`, { changedMs: 1 });
    t.true((await fails(t, host, v4('srv:/x'))).ran);
  });
}

test('another network namespace asks for itself', async (t) => {
  const host = node('refused');
  host.file('/proc/self/ns/net', { inode: 1 });
  await fails(t, host);
  host.file('/proc/self/ns/net', { inode: 2 });
  t.true((await fails(t, host)).ran);
});

test('a name that does not resolve, and a service that is not registered', async (t) => {
  const host = node('open');
  host.durationOf = ({ argv }) => (isHelper(argv) ? 130_000 : 10);
  host.onRun = ({ argv }) => {
    if (argv.includes('getent')) return { status: 2 };
    return argv.includes('-p') ? { output: ' 100000 4 tcp 111 portmapper\n' } : { status: 32 };
  };
  for (const [source, options, errorClass] of [
    ['nowhere:/x', 'vers=4', 'name-resolution'],
    ['10.0.0.5:/x', 'vers=3,nolock', 'version-not-offered'],
  ] as const) {
    const first = await fails(t, host, v4(source, options));
    t.is(first.error.errorClass, errorClass);
    const second = await fails(t, host, v4(source, options));
    t.false(second.ran);
    t.is(second.error.errorClass, errorClass);
  }
});

test('what a server itself refuses is not remembered: access, exports, options', async (t) => {
  const host = node('open');
  host.onRun = ({ argv }) =>
    isHelper(argv) ? { status: 32, output: 'mount.nfs: access denied by server\n' } : {};
  await fails(t, host);
  t.true((await fails(t, host)).ran);
  t.deepEqual(memories(host), []);
});

test('a GlusterFS server that is asked after its helper has failed', async (t) => {
  const host = node('refused');
  const argv = ['-t', 'glusterfs', '10.0.0.5:vol', target];
  host.durationOf = () => 10;
  host.onRun = ({ argv: words }) => (isHelper(words) ? { status: 1 } : {});
  const first = await fails(t, host, argv);
  t.is(first.error.errorClass, 'connection-refused');
  const second = await fails(t, host, argv);
  t.false(second.ran);
  t.is(second.error.errorClass, 'connection-refused');
});

test('a mount to a healthy server looks once whether something is remembered', async (t) => {
  const host = node('open');
  const looked: string[] = [];
  const { lstat, readText } = host;
  host.lstat = (path) => {
    looked.push(path);
    return lstat(path);
  };
  host.readText = (path) => {
    looked.push(path);
    return readText(path);
  };
  await mounts(host);
  t.is(looked.filter((path) => path.startsWith(failuresDirectory) || path === '/proc/uptime').length, 1);
});

test('a node without the directory, or with a full /run, mounts and fails as ever', async (t) => {
  const host = node('refused');
  const full = () => {
    throw new Error('ENOSPC');
  };
  host.replaceText = full;
  host.createText = full;
  host.remove = full;
  for (let call = 0; call < 2; call += 1) {
    const { error, ran } = await fails(t, host);
    t.true(ran);
    t.is(error.errorClass, 'connection-refused');
  }
  answers(host, 'open');
  await mounts(host);
});

test('a file that is not ours to read, whatever it holds, changes nothing', async (t) => {
  const host = node('open');
  const failureCache = planFor(...v4()).failureCache ?? '';
  const entry = { question: 'q', place: 'p', atMs: 0, probeFailure: null };
  for (const text of ['', '{', 'null', '[null]', '[1]', JSON.stringify([entry]), `[${'['.repeat(5000)}`]) {
    host.replaceText(failureCache, text);
    await mounts(host);
  }
  for (const kind of ['directory', 'symlink', 'other'] as const) {
    host.file(failureCache, { kind });
    host.texts.set(failureCache, 'never read');
    await mounts(host);
  }
  host.file(failureCache, { size: 1e9 });
  await t.notThrowsAsync(mounts(host));
});

test('any text is read as entries or none, and what is written is read back', (t) => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
      for (const { question, place, atMs } of entriesOf(text))
        t.true(typeof question === 'string' && typeof place === 'string' && atMs >= 0);
    }),
  );
  const probeFailure = { kind: 'unresolved', server: 's', isSilent: true, waitedMs: 1 } as const;
  const entry = { question: 'q', place: 'p', atMs: 5, probeFailure };
  t.deepEqual(entriesOf(textOf([entry])), [entry]);
  const long = Array.from({ length: 100 }, (_, atMs) => ({ ...entry, atMs, question: 'é'.repeat(1000) }));
  t.true(Buffer.byteLength(textOf(long)) <= 16 * 1024);
  t.is(entriesOf(textOf(long)).at(-1)?.atMs, 99, 'the newest are kept');
  for (const broken of [
    { kind: 'unreachable' },
    { ...probeFailure, kind: 'x' },
    { ...probeFailure, server: 1 },
    7,
  ])
    t.deepEqual(entriesOf(JSON.stringify([{ ...entry, probeFailure: broken }])), []);
});

/** While another call asks; it takes its turn back when it has the answer, or leaves it behind. */
function otherAsks(host: HostModel, holder: string, sinceMs = 0): string {
  const failureCache = planFor(...v4()).failureCache ?? '';
  const question = JSON.stringify([
    'nfs',
    {
      server: '10.0.0.5',
      version: '4',
      ports: { lookedUp: ['nfs', 'mountd'], isMountdElsewhere: false },
      isFamilyFree: true,
    },
  ]);
  host.replaceText(`${failureCache}.turn`, `${holder}\n${question}\n${sinceMs}\n`);
  return failureCache;
}

test('a call whose question another one is asking waits for that answer, and asks nobody', async (t) => {
  const host = node('refused');
  host.texts.set('/proc/9/stat', '9 (mounter) S 1 9 9 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 200 0');
  const failureCache = otherAsks(host, '9 200');
  const { sleep } = host;
  let waits = 0;
  host.sleep = async (milliseconds) => {
    await sleep(milliseconds);
    waits += 1;
    if (waits !== 3) return;
    const place = ['/proc/self/ns/net', `${layout.rootfs}/etc/resolv.conf`, `${layout.rootfs}/etc/hosts`];
    t.true(place.every((path) => !host.files.has(path)));
    const probeFailure = {
      kind: 'unreachable',
      server: '10.0.0.5',
      address: '10.0.0.5',
      port: 2049,
    } as const;
    const found = { ...probeFailure, connection: 'refused', waitedMs: 1 } as const;
    const question = host.texts.get(`${failureCache}.turn`)?.split('\n')[1] ?? '';
    host.replaceText(
      failureCache,
      textOf([{ question, place: '-, -, -', atMs: host.now(), probeFailure: found }]),
    );
  };
  const { error } = await fails(t, host);
  t.is(error.errorClass, 'connection-refused');
  t.true(error.isRemembered);
  t.regex(error.message, /\(found 0 s ago by another call\)$/);
  t.deepEqual(host.connections, []);
  t.is(waits, 3);
});

test('a call that was killed while it asked holds up nobody', async (t) => {
  const host = node('refused');
  const failureCache = otherAsks(host, '9 200');
  const { error } = await fails(t, host);
  t.is(error.errorClass, 'connection-refused');
  t.deepEqual(host.connections, ['10.0.0.5:2049']);
  t.false(host.texts.has(`${failureCache}.turn`));
});

const asking = (state: string) => `9 (mounter) ${state} 1 9 9 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 200 0`;

for (const [state, title] of [
  ['T', 'stopped'],
  ['Z', 'a zombie'],
] as const) {
  test(`a call that is ${title} while it asks holds up nobody`, async (t) => {
    const host = node('refused');
    host.texts.set('/proc/9/stat', asking(state));
    const failureCache = otherAsks(host, '9 200');
    const { error, ms } = await fails(t, host);
    t.is(error.errorClass, 'connection-refused');
    t.false(error.isRemembered);
    t.true(ms < 1500, `${ms} ms`);
    t.false(host.texts.has(`${failureCache}.turn`));
  });
}

test('a call that does not come back with its answer in time: nobody waits for it any more', async (t) => {
  const host = node('refused');
  host.texts.set('/proc/9/stat', asking('D'));
  otherAsks(host, '9 200');
  await host.sleep(4000);
  const { error, ms } = await fails(t, host);
  t.is(error.errorClass, 'connection-refused');
  t.true(ms < 5000, `${ms} ms`);
});

test('to wait for another call’s answer takes no longer than to ask', async (t) => {
  const host = node('refused');
  host.texts.set('/proc/9/stat', asking('D'));
  const { sleep } = host;
  // One after the other takes the turn, and none of them finds anything.
  host.sleep = async (milliseconds) => {
    await sleep(milliseconds);
    otherAsks(host, '9 200', host.now());
  };
  otherAsks(host, '9 200');
  const began = host.now();
  const plan = planFor(...v4());
  t.is(await examine(plan, contextOf(host), host.over.signal), undefined);
  t.true(host.now() - began < 7500, `${host.now() - began} ms`);
  t.deepEqual(host.connections, []);
});

test('of two servers that share a file each is asked by its own call', async (t) => {
  const host = node('refused');
  host.texts.set('/proc/9/stat', '9 (mounter) S 1 9 9 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 200 0');
  const failureCache = planFor(...v4()).failureCache ?? '';
  host.replaceText(`${failureCache}.turn`, '9 200\n["another question"]\n');
  const { error } = await fails(t, host);
  t.is(error.errorClass, 'connection-refused');
  t.is(host.connections.length, 1);
  t.true(host.texts.has(`${failureCache}.turn`), 'the other’s turn is the other’s to take back');
});
