import { readdir, readFile, stat } from 'node:fs/promises';
import { setTimeout } from 'node:timers/promises';
import test from 'ava';
import { execa } from 'execa';
import pRetry from 'p-retry';
import { beginEarlierLife } from '../support/guest/earlier-life.ts';
import { takeLock } from '../support/guest/lock.ts';
import { installAndPrepare, mounter, mountNfs, newTarget } from '../support/guest/node.ts';
import { isStatdAnswering, killRpcProcesses, rpcProcesses } from '../support/guest/rpc.ts';
import { vmNode } from '../support/guest/vm-node.ts';

/** After a reboot the server hears of it once, and drops the locks of before. */

const { server } = vmNode(test);

const state = '/var/lib/containerized-mounter/nfs';

/** Its statd says on stderr what it receives. */
const startTalkingStatd =
  'kill $(cat /run/rpc.statd.pid); sleep 0.3; setsid rpc.statd -F -d --no-notify >/run/statd.log 2>&1 </dev/null &';

test.serial.before(() => server.run('bash', '-c', startTalkingStatd));

/** How often the server was told that the node has rebooted. */
async function notifications(): Promise<number> {
  const log = await server.run('cat', '/run/statd.log');
  return log.split('\n').filter((line) => line.includes('Received SM_NOTIFY')).length;
}

async function stateNumber(): Promise<number> {
  return (await readFile(`${state}/state`)).readInt32LE();
}

/** Whether the server has a lock on /srv/vol1/file: all of the guest's locks, by inode. @see proc_locks(5) */
async function isLockedAtServer(): Promise<boolean> {
  const { ino } = await stat(`${server.directory}/vol1/file`);
  const locks = await readFile('/proc/locks', 'utf8');
  return new RegExp(`POSIX +ADVISORY +WRITE .*:${ino} `).test(locks);
}

async function until(isDone: () => Promise<boolean>, otherwise: string): Promise<void> {
  const attempt = async (): Promise<void> => {
    if (await isDone()) return;
    throw new Error(`${otherwise}\n${await server.run('cat', '/run/statd.log')}`);
  };
  await pRetry(attempt, { retries: 600, minTimeout: 100, factor: 1 });
}

test.serial('a lock of before the reboot is free after the first v3 mount', async (t) => {
  const source = `${server.address}:/srv/vol1`;
  const before = await beginEarlierLife(server);
  const early = await newTarget();
  await before.mountNfs(source, early, 'vers=3');
  await before.holdLock(`${early}/file`);
  t.deepEqual(await readdir(`${state}/sm`), [server.address], 'whom to tell is on disk');
  const stateBefore = await stateNumber();
  await before.powerOff();
  t.is((await mounter('prepare')).status, 0);

  t.like(await mountNfs(source, await newTarget(), 'vers=4.2'), { status: 0 });
  t.deepEqual(await rpcProcesses(), [], 'a v4 mount tells nobody');
  t.true(await isLockedAtServer(), 'the server keeps the lock');

  const call = await mountNfs(source, await newTarget(), 'vers=3');
  t.like(call, { status: 0, output: '' });
  t.log(`first v3 mount after the reboot: ${call.milliseconds} ms`);
  await until(async () => !(await isLockedAtServer()), 'still locked');
  t.is(await notifications(), 1);
  t.is(await stateNumber(), stateBefore + 2);
  await until(async () => (await readdir(`${state}/sm.bak`)).length === 0, 'not answered');
});

test.serial('rpc.statd started again in the same boot tells nobody: locks of now stay', async (t) => {
  const target = await newTarget();
  t.like(await mountNfs(`${server.address}:/srv/vol1`, target, 'vers=3'), { status: 0, output: '' });
  const holder = execa('flock', ['--nonblock', '--no-fork', `${target}/file`, 'sleep', '60'], {
    reject: false,
  });
  await until(isLockedAtServer, 'no lock');
  const [told, stateBefore] = [await notifications(), await stateNumber()];
  for (const [title, setUp] of [
    ['rpc.statd killed', () => killRpcProcesses('rpc.statd')],
    ['both killed', () => killRpcProcesses()],
    ['and the mark lost', () => execa('rm', ['-f', '/run/containerized-mounter/sm-notify'])],
  ] as const) {
    await setUp();
    await killRpcProcesses();
    t.like(await mountNfs(`${server.address}:/srv/vol2`, await newTarget(), 'vers=3'), { status: 0 }, title);
    t.true(await isStatdAnswering(), title);
    await setTimeout(1000);
    t.is(await notifications(), told, title);
    t.is(await stateNumber(), stateBefore, title);
    t.true(await isLockedAtServer(), title);
  }
  holder.kill('SIGKILL');
});

test.serial("the host's own run of sm-notify does not stand for ours", async (t) => {
  await execa('sh', ['-c', 'rm -f /run/containerized-mounter/sm-notify; echo 1 >/run/sm-notify.pid']);
  const record = `0100007f 000186b5 00000003 00000010 ${'0'.repeat(32)} ${server.address} node`;
  await execa('sh', ['-c', `echo '${record}' >${state}/sm/${server.address}; chown 102:65534 ${state}/sm/*`]);
  const told = await notifications();
  const target = await newTarget();
  t.like(await mountNfs(`${server.address}:/srv/vol1`, target, 'vers=3'), { status: 0, output: '' });
  await until(async () => (await notifications()) === told + 1, 'not told');
  t.is(await readFile('/run/sm-notify.pid', 'utf8'), '1\n', "the host's mark is as it was");
  t.like(await takeLock(`${target}/file`), { locked: true });
});

test.serial('a server that is silent delays no mount, and teardown ends who waits for it', async (t) => {
  await execa('sh', ['-c', 'rm -f /run/containerized-mounter/sm-notify']);
  const record = `0100007f 000186b5 00000003 00000010 ${'0'.repeat(32)} 10.9.0.77 node`;
  await execa('sh', ['-c', `echo '${record}' >${state}/sm/10.9.0.77; chown 102:65534 ${state}/sm/*`]);
  const call = await mountNfs(`${server.address}:/srv/vol1`, await newTarget(), 'vers=3');
  t.like(call, { status: 0, output: '' });
  t.log(`${call.milliseconds} ms`);
  t.true((await rpcProcesses()).some(({ name }) => name === 'sm-notify'));
  const pids = (await rpcProcesses()).map(({ pid }) => pid);
  const { status, output } = await mounter('teardown', '--unmount-volumes');
  t.is(status, 0, output);
  t.regex(output, /ended sm-notify \(process \d+\)/);
  t.deepEqual(
    (await rpcProcesses()).filter(({ pid }) => pids.includes(pid)),
    [],
  );
  await installAndPrepare();
});
