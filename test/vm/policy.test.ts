import { readFile, writeFile } from 'node:fs/promises';
import test from 'ava';
import { takeLock } from '../support/guest/lock.ts';
import { entriesOf, home, mounter, mountNfs, newTarget } from '../support/guest/node.ts';
import { rpcProcesses } from '../support/guest/rpc.ts';
import { startNfsServer } from '../support/guest/server.ts';
import { vmNode } from '../support/guest/vm-node.ts';

/** `policy.locks` and `policy.portmapper` of the manifest. */

const { server, v3Server } = vmNode(test);

async function prepareWith(policy: object): Promise<void> {
  const path = `${home}/rootfs-manifest.json`;
  await writeFile(path, JSON.stringify({ ...JSON.parse(await readFile(path, 'utf8')), policy }));
  const { status, output } = await mounter('prepare');
  if (status !== 0) throw new Error(output);
}

async function lockServices() {
  return JSON.parse((await mounter('status', '--json')).output).lockServices;
}

for (const [portmapper, byUdp] of [
  ['any', 'any'],
  ['loopback', 'loopback'],
  [['10.9.0.254'], 'any'],
  [['127.0.0.1', '::1'], 'loopback'],
  // The node does not have it: rpcbind 1.2.7 goes without, where 1.2.6 did not start.
  [['192.0.2.1'], 'loopback'],
] as const) {
  test.serial(`portmapper ${portmapper}: a v3 mount with locks works`, async (t) => {
    await prepareWith({ portmapper });
    const target = await newTarget();
    t.like(await mountNfs(`${server.address}:/srv/vol1`, target, 'vers=3'), { status: 0, output: '' });
    t.like(await takeLock(`${target}/file`), { locked: true });
    t.like(await lockServices(), { statdAnswers: true, listening: 'any', listeningByUdp: byUdp });
  });
}

test.serial('locks add-nolock: v3 without daemons, and it is said', async (t) => {
  await prepareWith({ locks: 'add-nolock' });
  for (const [source, options] of [
    [`${server.address}:/srv/vol1`, 'vers=3'],
    [`${v3Server.address}:/srv/vol1`, ''],
  ] as const) {
    const target = await newTarget();
    const call = await mountNfs(source, target, options);
    t.is(call.status, 0, call.output);
    t.regex(call.output, /^mounter: .*: added nolock, as policy\.locks of the settings has it/);
    t.true((await entriesOf(target))[0]?.superOptions.includes('nolock'));
    t.like(await takeLock(`${target}/file`), { locked: true });
  }
  t.deepEqual(await rpcProcesses(), []);
  const target = await newTarget();
  t.is((await mountNfs(`${server.address}:/srv/vol2`, target, '')).status, 0);
  t.true((await entriesOf(target))[0]?.superOptions.includes('vers=4.2'), 'nolock is no harm to v4');
});

test.serial('locks require: nolock is refused before anything runs', async (t) => {
  await prepareWith({ locks: 'require' });
  const target = await newTarget();
  const { status, output } = await mountNfs(`${server.address}:/srv/vol1`, target, 'vers=3,nolock');
  t.is(status, 1);
  t.regex(output, /nolock is refused: policy\.locks .*\nhint: /);
  t.deepEqual(await entriesOf(target), []);
  t.like(await mountNfs(`${server.address}:/srv/vol1`, target, 'vers=3'), { status: 0, output: '' });
});

test.serial('locks require: a v3 mount is one under the type nfs4 too', async (t) => {
  await prepareWith({ locks: 'require' });
  const target = await newTarget();
  const source = `${server.address}:/srv/vol1`;
  const mountAs4 = (options: string) => mounter('mount', '-t', 'nfs4', '-o', options, source, target);
  const { status, output } = await mountAs4('vers=3,nolock');
  t.is(status, 1);
  t.regex(output, /nolock is refused: policy\.locks /);
  t.deepEqual(await entriesOf(target), []);
  t.like(await mountAs4('vers=3'), { status: 0, output: '' });
  t.true((await entriesOf(target))[0]?.superOptions.includes('vers=3'));
  t.like(await takeLock(`${target}/file`), { locked: true });
});

test.serial('sources: what is not allowed is refused before anybody is asked', async (t) => {
  await prepareWith({ sources: [{ server: '10.9.0.0/24', path: '/srv/vol1' }] });
  const target = await newTarget();
  for (const [source, options] of [
    [`${server.address}:/srv/vol2`, 'vers=4.2'],
    [`${server.address}:/srv/vol1`, `vers=3,mounthost=${v3Server.address}`],
    [`${v3Server.address}:/srv/vol1`, 'vers=3'],
    // Nobody answers there: to ask would take seconds.
    ['10.9.9.9:/srv/vol1', 'vers=4.2'],
    ['no-such-host.example:/srv/vol1', 'vers=4.2'],
  ] as const) {
    const call = await mountNfs(source, target, options);
    t.is(call.status, 1, call.output);
    t.regex(
      call.output,
      /\(policy\.sources of the settings\)\nhint: mount one of those allowed: 10\.9\.0\.0\/24:\/srv\/vol1/,
    );
    t.true(call.milliseconds < 5000, `${call.milliseconds} ms`);
  }
  t.deepEqual(await entriesOf(target), []);
  t.like(await mountNfs(`${server.address}:/srv/vol1/sub`, target, 'vers=4.2'), { status: 0, output: '' });
});

test.serial(
  'sources: the kernel goes where an allowed NFSv4 server refers it, as docs/security.md says',
  async (t) => {
    const referring = await startNfsServer({
      name: 'refer',
      address: '10.9.5.1',
      // The root of the server's own file system, as exports(5) asks of a referral.
      exports: { '/srv': `*(ro,no_subtree_check,refer=/srv@${server.address})` },
    });
    try {
      await prepareWith({ sources: [{ server: referring.address }] });
      const target = await newTarget();
      t.like(await mountNfs(`${referring.address}:/srv`, target, 'vers=4.2'), { status: 0, output: '' });
      t.like(await entriesOf(target), [{ source: `${server.address}:/srv` }]);
      // Asked for by its own name, that server is refused.
      t.is((await mountNfs(`${server.address}:/srv`, await newTarget(), 'vers=4.2')).status, 1);
    } finally {
      await referring.close();
    }
  },
);

test.serial('options: what asks for v3 in other words is refused where vers=3 is', async (t) => {
  await prepareWith({ options: { nfs: { forbidden: ['@default', 'vers=3', 'sec=krb5'] } } });
  const target = await newTarget();
  for (const options of ['vers=3', 'v3', 'mountvers=3', 'mountproto=tcp', 'sec=sys:krb5']) {
    const call = await mountNfs(`${server.address}:/srv/vol1`, target, options);
    t.is(call.status, 1, call.output);
    t.regex(call.output, /this mount option is forbidden on this node/);
  }
  t.deepEqual(await entriesOf(target), []);
});
