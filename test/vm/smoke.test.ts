import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { execa } from 'execa';
import { startDnsServer } from '../support/guest/dns.ts';
import { takeLock } from '../support/guest/lock.ts';
import { readMountsFrom } from '../support/guest/mountinfo.ts';
import { dropPackets } from '../support/guest/packets.ts';
import {
  isStatdAnswering,
  killRpcProcesses,
  rpcinfo,
  rpcProcesses,
  startHostRpcbind,
  startHostStatd,
} from '../support/guest/rpc.ts';
import { nfsServers } from '../support/guest/vm-node.ts';

/**
 * The harness itself: what the other tests of this directory stand on. The client is the server's own root as
 * a plain chroot, without any mounter.
 */

const { server, v3Server, v4Server } = nfsServers(test);

const clientRoot = '/server';
const target = '/mnt/volume';

test.serial.before(async () => {
  await mkdir(join(clientRoot, target), { recursive: true });
  // mount.nfs reads /proc/mounts; start-statd needs a /run, and statd /dev/null.
  await execa('mount', ['-t', 'proc', 'proc', join(clientRoot, 'proc')]);
  await execa('mount', ['-t', 'tmpfs', 'tmpfs', join(clientRoot, 'run')]);
  await execa('mount', ['--bind', '/dev', join(clientRoot, 'dev')]);
});

test.afterEach.always(async () => {
  await execa('umount', ['--lazy', join(clientRoot, target)], { reject: false });
});

const mount = (source: string, options: string) =>
  execa('chroot', [clientRoot, 'mount.nfs', source, target, '-o', options], {
    reject: false,
    timeout: 30_000,
  });

async function mounted(t: ExecutionContext, source: string, options: string): Promise<readonly string[]> {
  const { exitCode, stderr } = await mount(source, options);
  t.is(stderr, '');
  t.is(exitCode, 0);
  const [entry] = await readMountsFrom(join(clientRoot, target));
  return entry?.superOptions ?? [];
}

for (const version of ['3', '4.0', '4.1', '4.2']) {
  test.serial(`vers=${version} mounts, writes and reads`, async (t) => {
    const options = await mounted(t, `${server.address}:/srv/vol1`, `vers=${version},nolock`);
    t.true(options.includes(`vers=${version}`));
    await writeFile(join(clientRoot, target, `by-${version}`), 'hello');
    t.is(await readFile(join(server.directory, `vol1/by-${version}`), 'utf8'), 'hello');
  });
}

test.serial('a server is reached by IPv6 too', async (t) => {
  await mounted(t, `[${server.address6}]:/srv/vol1`, 'vers=4.2');
  t.is(await readFile(join(clientRoot, target, 'sub/file'), 'utf8'), 'vol1/sub/file\n');
});

test.serial('without a version the server with v4 gives 4.2, the one without gives 3', async (t) => {
  t.true((await mounted(t, `${server.address}:/srv/vol1`, 'nolock')).includes('vers=4.2'));
  await execa('umount', [join(clientRoot, target)]);
  t.true((await mounted(t, `${v3Server.address}:/srv/vol1`, 'nolock')).includes('vers=3'));
});

test.serial('the v3-only server refuses v4, the v4-only one has no rpcbind', async (t) => {
  const v4 = await mount(`${v3Server.address}:/srv/vol1`, 'vers=4.2');
  t.is(v4.exitCode, 32);
  t.regex(v4.stderr, /not supported/);
  const v3 = await mount(`${v4Server.address}:/srv/vol1`, 'vers=3,nolock,retry=0');
  t.is(v3.exitCode, 32);
  await t.throwsAsync(rpcinfo(v4Server.address));
  await mounted(t, `${v4Server.address}:/srv/vol1`, 'vers=4.2');
});

test.serial('exports refuse what they should', async (t) => {
  const secret = await mount(`${server.address}:/srv/secret`, 'vers=3,nolock');
  t.is(secret.exitCode, 32);
  t.regex(secret.stderr, /access denied by server/);
  await mounted(t, `${server.address}:/srv/readonly`, 'vers=4.2');
  await t.throwsAsync(writeFile(join(clientRoot, target, 'new'), ''), { code: 'EROFS' });
});

test.serial('with rpcbind and statd in the client root, a v3 lock is taken', async (t) => {
  t.deepEqual(await rpcProcesses(), []);
  await execa('chroot', [clientRoot, 'rpcbind', '-w']);
  await mounted(t, `${server.address}:/srv/vol1`, 'vers=3');
  const lock = await takeLock(join(clientRoot, target, 'file'), 5);
  t.like(lock, { locked: true, stderr: '' });
  t.true(await isStatdAnswering());
  await execa('umount', [join(clientRoot, target)]);
  await killRpcProcesses();
  t.deepEqual(await rpcProcesses(), []);
});

test.serial("the host's rpcbind and statd can be started and ended", async (t) => {
  await startHostRpcbind('-w');
  await startHostStatd();
  t.deepEqual((await rpcProcesses()).map(({ name }) => name).sort(), ['rpc.statd', 'rpcbind']);
  t.true((await rpcinfo()).some(({ program, protocol }) => program === 'status' && protocol === 'udp'));
  t.true(await isStatdAnswering());
  await killRpcProcesses('rpc.statd');
  t.false(await isStatdAnswering(2));
  await killRpcProcesses();
  await t.throwsAsync(rpcinfo());
});

test.serial('a server stops, starts again, and falls silent', async (t) => {
  await v4Server.stopServices();
  const refused = await mount(`${v4Server.address}:/srv/vol1`, 'vers=4.2,retry=0');
  t.regex(refused.stderr, /Connection refused/);
  await v4Server.startServices();
  await mounted(t, `${v4Server.address}:/srv/vol1`, 'vers=4.2');
  await execa('umount', [join(clientRoot, target)]);
  await dropPackets(v4Server.device, '10.9.2.99');
  await v4Server.dropPackets();
  for (const address of ['10.9.2.99', v4Server.address]) {
    const silent = await execa(
      'chroot',
      [clientRoot, 'mount.nfs', `${address}:/x`, target, '-o', 'vers=4.2'],
      {
        reject: false,
        timeout: 1500,
        killSignal: 'SIGKILL',
      },
    );
    t.true(silent.timedOut);
  }
  await v4Server.passPackets();
  await mounted(t, `${v4Server.address}:/srv/vol1`, 'vers=4.2');
});

test.serial('names resolve through the DNS server of the tests', async (t) => {
  await writeFile(
    join(clientRoot, 'etc/resolv.conf'),
    'nameserver 127.0.0.1\noptions timeout:1 attempts:1\n',
  );
  const dns = await startDnsServer({ 'nfs.default.svc.cluster.local': server.address });
  await mounted(t, 'nfs.default.svc.cluster.local:/srv/vol1', 'vers=4.2');
  const unknown = await mount('nowhere.invalid:/srv/vol1', 'vers=4.2');
  t.regex(unknown.stderr, /Name or service not known/);
  t.true(dns.questions.includes('nowhere.invalid'));
  await dns.close();
  const silent = await startDnsServer('silent');
  const unanswered = await mount('nowhere.invalid:/srv/vol1', 'vers=4.2,retry=0');
  t.regex(unanswered.stderr, /Temporary failure in name resolution|Resource temporarily unavailable/);
  await silent.close();
});
