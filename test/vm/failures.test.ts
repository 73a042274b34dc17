import { mkdir, writeFile } from 'node:fs/promises';
import { setTimeout } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import { execa } from 'execa';
import { startDnsServer } from '../support/guest/dns.ts';
import {
  type Call,
  entriesOf,
  entriesPerVolume,
  home,
  installAndPrepare,
  kubeletDirectory,
  mounter,
  mountNfs,
  mountWithLimits,
  newTarget,
} from '../support/guest/node.ts';
import { nothingLeft } from '../support/guest/nothing-left.ts';
import { dropPackets } from '../support/guest/packets.ts';
import { startNfsServer } from '../support/guest/server.ts';
import { vmNode } from '../support/guest/vm-node.ts';

/** What goes wrong on real nodes: an explanation, the right status, and nothing left behind. */

const { server } = vmNode(test);

test.serial.before(() => dropPackets(server.device, '10.9.0.99'));

async function fails(
  t: ExecutionContext,
  source: string,
  options: string,
  status: number,
  output: RegExp,
): Promise<Call> {
  const target = await newTarget();
  const call = await mountNfs(source, target, options);
  t.is(call.status, status, call.output);
  t.regex(call.output, output);
  t.true(call.output.startsWith(`mounter: ${target}: `), 'the first line names the target');
  await nothingLeft(t, target);
  return call;
}

for (const version of ['3', '4.2']) {
  test.serial(`v${version}: not exported to us`, (t) =>
    fails(
      t,
      '10.9.0.1:/srv/secret',
      `vers=${version}`,
      32,
      /\nmount\.nfs: .*(access denied|No such file)/,
    ).then(() => {}),
  );

  test.serial(`v${version}: no such export`, (t) =>
    fails(
      t,
      '10.9.0.1:/srv/nowhere',
      `vers=${version}`,
      32,
      /\nmount\.nfs: .*(access denied|No such file)/,
    ).then(() => {}),
  );

  test.serial(`v${version}: an export's missing sub-directory`, (t) =>
    fails(t, '10.9.0.1:/srv/vol1/missing', `vers=${version}`, 32, /\nmount\.nfs: .*No such file/).then(
      () => {},
    ),
  );

  test.serial(`v${version}: an option that NFS does not have`, (t) =>
    fails(
      t,
      '10.9.0.1:/srv/vol1',
      `vers=${version},foo=bar`,
      32,
      /\nmount\.nfs: an incorrect mount option/,
    ).then(() => {}),
  );

  test.serial(
    `v${version}: a server that is silent is given up at the deadline, and nothing goes on`,
    async (t) => {
      const target = await newTarget();
      const call = await mountWithLimits(
        { mountSeconds: 3 },
        '-t',
        'nfs',
        '-o',
        `vers=${version}`,
        '10.9.0.99:/srv/vol1',
        target,
      );
      t.is(call.status, 32);
      t.regex(call.output, /did not mount 10\.9\.0\.99:\/srv\/vol1 within 3 s and was ended/);
      t.regex(call.output, /\nhint: /);
      await nothingLeft(t, target);
      t.log(`${call.milliseconds} ms`);
    },
  );
}

test.serial('no version: an export that is not there is not blamed on the lock services', (t) =>
  fails(t, '10.9.0.1:/srv/nowhere', '', 32, /\nmount\.nfs: .*(access denied|No such file)/).then(() => {}),
);

test.serial('a version that the server does not offer', (t) =>
  fails(t, '10.9.0.1:/srv/vol1', 'vers=4.9', 32, /\nmount\.nfs: /).then(() => {}),
);

test.serial('a source that is none', (t) =>
  fails(t, 'justahost', 'vers=4.2', 32, /remote share not in 'host:dir' format/).then(() => {}),
);

test.serial('an unknown host', async (t) => {
  await writeFile(`${home}/rootfs/etc/resolv.conf`, 'nameserver 127.0.0.1\noptions timeout:1 attempts:1\n');
  const dns = await startDnsServer({ 'nfs.default.svc.cluster.local': '10.9.0.1' });
  await fails(t, 'nosuch.invalid:/srv/vol1', 'vers=4.2', 32, /Name or service not known/);
  t.true(dns.questions.includes('nosuch.invalid'), "the rootfs's resolv.conf was asked");
  const target = await newTarget();
  t.like(await mountNfs('nfs.default.svc.cluster.local:/srv/vol1', target, 'vers=4.2'), {
    status: 0,
    output: '',
  });
  t.is((await entriesOf(target)).length, entriesPerVolume);
  await dns.close();
});

test.serial('the port is closed: ended long before the deadline', async (t) => {
  const target = await newTarget();
  const call = await mountWithLimits(
    { mountSeconds: 30 },
    '-t',
    'nfs',
    '-o',
    'vers=4.2,port=9',
    '10.9.0.1:/srv/vol1',
    target,
  );
  t.is(call.status, 32);
  t.regex(call.output, /the server 10\.9\.0\.1 refuses connections to TCP port 9\n/);
  await nothingLeft(t, target);
});

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  test.serial(`${signal} while waiting: ended at once, with mount(8)'s status 8`, async (t) => {
    const target = await newTarget();
    const run = execa(
      `${home}/mounter`,
      ['mount', '-t', 'nfs', '-o', 'vers=4.2', '10.9.0.99:/srv/vol1', target],
      { reject: false },
    );
    await setTimeout(1500);
    run.kill(signal);
    const result = await run;
    t.is(result.exitCode, 8, result.stderr);
    t.regex(result.stderr, /interrupted while mounting/);
    await nothingLeft(t, target);
  });
}

test.serial('a server that goes away while mounted: umount -f and a new mount work', async (t) => {
  const other = await startNfsServer({ name: 'gone', address: '10.9.3.1' });
  const target = await newTarget();
  t.is((await mountNfs('10.9.3.1:/srv/vol1', target, 'vers=4.2,soft,timeo=10,retrans=1')).status, 0);
  await other.dropPackets();
  const again = await mountNfs('10.9.3.1:/srv/vol1', target, 'vers=4.2');
  t.is(again.status, 0, 'it is mounted there already, and looking does not hang');
  await execa('umount', ['-f', '-l', target]);
  await other.passPackets();
  t.is((await mountNfs('10.9.3.1:/srv/vol1', target, 'vers=4.2')).status, 0);
  await execa('umount', [target]);
  await other.close();
});

test.serial('a hung hard mount on the target does not hang us', async (t) => {
  const other = await startNfsServer({ name: 'hung', address: '10.9.4.1' });
  const target = await newTarget();
  t.is((await mountNfs('10.9.4.1:/srv/vol1', target, 'vers=3,nolock')).status, 0);
  await other.dropPackets();
  await setTimeout(4000); // Longer than attributes are cached.
  t.is((await mountNfs('10.9.4.1:/srv/vol1', target, 'vers=3,nolock')).status, 0);
  const different = await mountNfs('10.9.4.1:/srv/vol2', target, 'vers=3,nolock');
  t.is(different.status, 32);
  t.regex(different.output, /is mounted there already/);
  t.true(different.milliseconds < 20_000, `${different.milliseconds} ms`);
  await execa('umount', ['-f', '-l', target]);
  await other.close();
});

test.serial(
  'chroot: a kubelet directory that is not shared: undone, with the propagation named; prepare mends it',
  async (t) => {
    await installAndPrepare('chroot');
    const target = await newTarget();
    await execa('mount', ['--make-private', kubeletDirectory]);
    const call = await mountNfs('10.9.0.1:/srv/vol1', target, 'vers=4.2');
    t.is(call.status, 2, call.output);
    t.regex(call.output, /did not appear on the host; it is unmounted again\nhint: .*mounter prepare/);
    await nothingLeft(t, target);
    t.is((await mounter('status')).status, 1);
    t.is((await mounter('prepare')).status, 0);
    t.is((await mountNfs('10.9.0.1:/srv/vol1', target, 'vers=4.2')).status, 0);
    t.is((await entriesOf(target)).length, 2);
    await execa('umount', [target]);
    await installAndPrepare();
  },
);

test.serial('bad targets: nothing is run', async (t) => {
  const target = await newTarget();
  await writeFile(`${target}/file`, '');
  await mkdir('/mnt/elsewhere', { recursive: true });
  for (const [path, status, output] of [
    [`${target}/missing`, 1, /does not exist/],
    [`${target}/file`, 1, /is not a directory/],
    [`${target}/file/below`, 1, /is not a directory/],
    ['/mnt/elsewhere', 1, /not below a directory that volumes may be mounted in/],
    ['relative', 1, /relative path\nhint: give the absolute path, after the source\n/],
  ] as const) {
    const call = await mountNfs('10.9.0.1:/srv/vol1', path, 'vers=4.2');
    t.is(call.status, status, call.output);
    t.regex(call.output, output);
    t.regex(call.output, /\nhint: /);
  }
});

test.serial('not prepared, and not root', async (t) => {
  const target = await newTarget();
  await mounter('teardown');
  const call = await mountNfs('10.9.0.1:/srv/vol1', target, 'vers=4.2');
  t.is(call.status, 2);
  t.regex(call.output, /not prepared\nhint: run mounter prepare\n/);
  await installAndPrepare();
  const user = await execa(
    'setpriv',
    [
      '--reuid=65534',
      '--regid=65534',
      '--clear-groups',
      `${home}/mounter`,
      'mount',
      '-t',
      'nfs',
      '10.9.0.1:/srv/vol1',
      target,
    ],
    { reject: false },
  );
  t.is(user.exitCode, 1, user.stderr);
  t.regex(user.stderr, /needs root/);
});
