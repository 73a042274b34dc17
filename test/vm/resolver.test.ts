import { chmod, mkdir, readFile, readlink, rename, rm, stat, symlink, writeFile } from 'node:fs/promises';
import test from 'ava';
import { type DnsServer, startDnsServer } from '../support/guest/dns.ts';
import { takeLock } from '../support/guest/lock.ts';
import { home, mounter, mountNfs, newTarget } from '../support/guest/node.ts';
import { vmNode } from '../support/guest/vm-node.ts';

/** A Service's name, which the cluster's DNS knows and the host's does not. */

const { server } = vmNode(test);

const service = 'nfs.default.svc.cluster.local';
const rootfsFile = `${home}/rootfs/etc/resolv.conf`;
const stub = '/run/systemd/resolve/stub-resolv.conf';

let cluster: DnsServer;
let hosts: DnsServer;

test.beforeEach(async () => {
  cluster = await startDnsServer({
    [service]: server.address,
    'files.default.svc.cluster.local': server.address,
  });
  hosts = await startDnsServer({ 'files.example': server.address }, '127.0.0.53');
  await mkdir('/run/systemd/resolve', { recursive: true });
  await writeHosts('nameserver 127.0.0.53\noptions edns0 trust-ad\nsearch example\n');
  await rm('/etc/resolv.conf', { force: true });
  await symlink('../run/systemd/resolve/stub-resolv.conf', '/etc/resolv.conf');
});

test.afterEach.always(async () => {
  await cluster.close();
  await hosts.close();
});

test.after.always(() => rm('/run/systemd', { recursive: true, force: true }));

/** As systemd-resolved does it. */
async function writeHosts(text: string): Promise<void> {
  await writeFile(`${stub}.new`, text);
  await rename(`${stub}.new`, stub);
}

/** As kubelet does it at its start: in place, through the symlink, 0600 where it makes the file. */
async function kubeletWrites(text: string): Promise<void> {
  await writeFile(rootfsFile, text, { mode: 0o600 });
}

async function prepareWith(resolver: object): Promise<void> {
  const path = `${home}/rootfs-manifest.json`;
  const manifest = JSON.parse(await readFile(path, 'utf8'));
  await writeFile(path, JSON.stringify({ ...manifest, resolver }));
  const { status, output } = await mounter('prepare');
  if (status !== 0) throw new Error(output);
}

/** What a resolver reads of it. */
async function settings(): Promise<readonly string[]> {
  return (await readFile(rootfsFile, 'utf8'))
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'));
}

test.serial("a kubelet without clusterDNS names no server: the host's are asked", async (t) => {
  await prepareWith({ mode: 'kubelet' });
  await kubeletWrites('search corp.example\n');
  const target = await newTarget();
  t.like(await mountNfs('files.example:/srv/vol1', target, 'vers=4.2'), { status: 0, output: '' });
  t.deepEqual(await settings(), [
    'nameserver 127.0.0.53',
    'search corp.example example',
    'options edns0 trust-ad',
  ]);
  await kubeletWrites('nameserver 127.0.0.1\n');
  t.like(await mountNfs(`${service}:/srv/vol1`, await newTarget(), 'vers=4.2'), { status: 0, output: '' });
});

const merge = { mode: 'merge', nameservers: ['127.0.0.1'], searches: ['svc.cluster.local'] };

for (const version of ['4.2', '3']) {
  test.serial(`v${version} by a Service's name, from the file that kubelet makes, 0600`, async (t) => {
    await prepareWith({ mode: 'kubelet' });
    await rm(rootfsFile);
    await kubeletWrites('nameserver 127.0.0.1\nsearch example\n');
    t.is((await stat(rootfsFile)).mode & 0o777, 0o600);
    const target = await newTarget();
    t.like(await mountNfs(`${service}:/srv/vol1`, target, `vers=${version}`), { status: 0, output: '' });
    t.like(await takeLock(`${target}/file`), { locked: true }, 'rpc.statd resolves it too');
    t.true(cluster.questions.includes(service));
    t.deepEqual(await settings(), ['nameserver 127.0.0.1', 'search example'], "kubelet's stays in force");
    t.is((await mounter('prepare')).output, 'prepared already; nothing to do\n');
    t.is(await readlink('/etc/resolv.conf'), '../run/systemd/resolve/stub-resolv.conf');
    t.regex(await readFile(stub, 'utf8'), /^nameserver 127\.0\.0\.53\n/);
  });
}

test.serial(
  "merged: a Service's short name by the cluster's DNS, the host's while that is away",
  async (t) => {
    await prepareWith(merge);
    t.deepEqual(await settings(), [
      'nameserver 127.0.0.1',
      'nameserver 127.0.0.53',
      'search svc.cluster.local example',
      'options edns0 trust-ad',
    ]);
    const target = await newTarget();
    t.like(await mountNfs('files.default:/srv/vol1', target, 'vers=3'), { status: 0, output: '' });
    t.like(await takeLock(`${target}/file`), { locked: true });
    await cluster.close();
    t.like(await mountNfs('files.example:/srv/vol2', await newTarget(), 'vers=4.2'), {
      status: 0,
      output: '',
    });
    t.true(hosts.questions.includes('files.example'));
    cluster = await startDnsServer('silent');
  },
);

test.serial(
  "merged: the next mount after a change of the host's file, or of kubelet's, goes by it",
  async (t) => {
    await prepareWith(merge);
    const dryRun = await mounter('mount', '--dry-run', '-t', 'nfs', 'x:/y', await newTarget());
    t.regex(dryRun.output, /merge the host's \/etc\/resolv\.conf/);
    await hosts.close();
    hosts = await startDnsServer({ 'moved.example': server.address }, '127.0.0.54');
    await writeHosts('nameserver 127.0.0.54\n');
    await kubeletWrites('nameserver 127.0.0.77\nsearch corp.example\n');
    await cluster.close();
    t.like(await mountNfs('moved.example:/srv/vol1', await newTarget(), 'vers=4.2'), {
      status: 0,
      output: '',
    });
    t.deepEqual(await settings(), [
      'nameserver 127.0.0.1',
      'nameserver 127.0.0.77',
      'nameserver 127.0.0.54',
      'search svc.cluster.local corp.example',
    ]);
    t.is(await readFile(stub, 'utf8'), 'nameserver 127.0.0.54\n', "the host's is as it was");
    cluster = await startDnsServer({ [service]: server.address });
    await writeHosts('nameserver 127.0.0.53\nnameserver 127.0.0.55\n');
    const { output } = await mounter('prepare');
    t.regex(output, /left out of .*resolv\.conf: nameserver 127\.0\.0\.55 \(glibc reads 3\)/);
    t.deepEqual((await settings()).slice(0, 3), [
      'nameserver 127.0.0.1',
      'nameserver 127.0.0.77',
      'nameserver 127.0.0.53',
    ]);
    await prepareWith({ mode: 'kubelet' });
    t.deepEqual(await settings(), ['nameserver 127.0.0.77', 'search corp.example'], "kubelet's again");
  },
);

test.serial('twenty mounts at once after a change: one file, whole, and nothing beside it', async (t) => {
  await prepareWith(merge);
  await chmod(rootfsFile, 0o600);
  await writeHosts('nameserver 127.0.0.53\noptions ndots:2\n');
  const calls = Array.from({ length: 20 }, async () =>
    mountNfs(`${service}:/srv/vol1`, await newTarget(), 'vers=4.2'),
  );
  t.deepEqual([...new Set((await Promise.all(calls)).map(({ status }) => status))], [0]);
  t.true((await settings()).includes('options ndots:2'));
  const beside = await mounter('exec', '--', 'sh', '-c', 'ls /etc | grep resolv');
  t.is(beside.output, 'resolv.conf\n');
});
