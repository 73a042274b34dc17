import { readdir, readFile, writeFile } from 'node:fs/promises';
import { setTimeout } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import { execa } from 'execa';
import { type DnsServer, startDnsServer } from '../support/guest/dns.ts';
import { home, mounter, mountNfs, newTarget, unmountAll } from '../support/guest/node.ts';
import { nothingLeft } from '../support/guest/nothing-left.ts';
import { dropPackets } from '../support/guest/packets.ts';
import { vmNode } from '../support/guest/vm-node.ts';
import { everyNth } from '../support/long-run.ts';

/** A server that can't be reached: found out within seconds, where mount.nfs alone takes 125 to 188. */

const { server, v3Server, otherServer: closed, v4Server } = vmNode(test);

/**
 * Of the whole call: 8 s, and what this guest, whose CPU is emulated, takes to start programs: as much as two v3 mounts
 * that start rpcbind and rpc.statd, 0.5 s each where nothing else runs on the machine.
 */
let limitMs = 8000;

const record = '/var/log/containerized-mounter/mounter.log';

let dns: DnsServer;

test.serial.before(async () => {
  await closed.stopServices();
  await dropPackets(server.device, '10.9.0.99');
  // What mount.nfs says of them is what it says of a bad option, and of an export to others.
  await execa('ip', ['route', 'add', 'blackhole', '10.9.97.0/24']);
  await execa('ip', ['route', 'add', 'prohibit', '10.9.98.0/24']);
  // Five seconds and two attempts, which is resolv.conf(5)'s default, for each of two names.
  await writeFile(`${home}/rootfs/etc/resolv.conf`, 'nameserver 127.0.0.1\nsearch cluster.local\n');
  dns = await startDnsServer('silent');
  const { status, output, milliseconds } = await mountNfs(
    `${server.address}:/srv/vol1`,
    await newTarget(),
    'vers=3',
  );
  if (status !== 0) throw new Error(output);
  limitMs += 2 * milliseconds;
  await unmountAll();
});

test.after.always(() => dns.close());

interface Failed {
  readonly class: string;
  readonly status: number;
  readonly subject: string;
  readonly message: string;
  readonly hint: string;
  readonly helperOutput: string;
}

/** Mounts as kubelet does, which has to fail; with the failure as the record has it. */
async function failsToMount(t: ExecutionContext, source: string, options: string): Promise<Failed> {
  const target = await newTarget();
  const { status, output: stderr, milliseconds } = await mountNfs(source, target, options);
  const line = (await readFile(record, 'utf8')).trimEnd().split('\n').at(-1) ?? '';
  const { errorClass, msg: message, ...more } = JSON.parse(line);
  const failed: Failed = { class: errorClass, message, helperOutput: '', ...more };
  t.log(`${milliseconds} ms, ${failed.class}: ${stderr}`);
  t.true(milliseconds < limitMs, `${milliseconds} ms`);
  t.is(status, failed.status);
  t.is(failed.subject, target);
  t.true(stderr.startsWith(`mounter: ${target}: ${failed.message}`));
  await nothingLeft(t, target);
  return failed;
}

const unreachable: readonly (readonly [title: string, host: string, errorClass: string, hint: RegExp])[] = [
  [
    'DNS silent',
    'nfs.example',
    'name-resolution',
    /resolv\.conf; mounter exec -- getent ahosts nfs\.example prints nothing/,
  ],
  ['the ports closed', closed.address, 'connection-refused', /start the NFS server on 10\.9\.5\.1/],
  ['the host silent', '10.9.0.99', 'server-silent', /10\.9\.0\.99 is up, .* drops TCP port (111|2049)/],
  ['no such host in the network', '10.9.0.77', 'no-route', /ip route get 10\.9\.0\.77/],
  ['a route into a black hole', '10.9.97.1', 'no-route', /ip route get 10\.9\.97\.1/],
  ['a route that is prohibited', '10.9.98.1', 'no-route', /ip route get 10\.9\.98\.1/],
];

for (const [index, [title, host, errorClass, hint]] of unreachable.entries()) {
  for (const options of everyNth(2, ['vers=3', 'vers=4.2', ''], index % 2)) {
    test.serial(`${title}, ${options === '' ? 'no version' : options}: ${errorClass}`, async (t) => {
      const failed = await failsToMount(t, `${host}:/srv/vol1`, options);
      t.is(failed.class, errorClass, failed.message);
      t.is(failed.status, 32);
      t.regex(failed.hint, hint);
    });
  }
}

test.serial('v3 asked of a server with v4 alone, which has no rpcbind', async (t) => {
  const failed = await failsToMount(t, `${v4Server.address}:/srv/vol1`, 'vers=3');
  t.is(failed.class, 'connection-refused');
  t.regex(failed.message, /refuses connections to TCP port 111$/);
  t.regex(failed.hint, /vers=4, which needs no rpcbind there/);
});

test.serial('v3 asked of a server whose rpcbind does not know NFS', async (t) => {
  await closed.run('bash', '-c', 'rpcbind -w');
  const failed = await failsToMount(t, `${closed.address}:/srv/vol1`, 'vers=3,nolock');
  t.is(failed.class, 'version-not-offered');
  t.regex(failed.hint, /mounter exec -- rpcinfo -p 10\.9\.5\.1/);
  await closed.stopServices();
});

/** A Service with these two ports alone: NFS and mountd listen, and rpcbind does not. */
test.serial('v3 on ports of its own with no rpcbind there: says what helps, which does', async (t) => {
  const daemons = 'rpc.nfsd -N 4 -p 12049 2; rpc.mountd -N 4 -p 12048; pkill -x rpcbind';
  await closed.run('bash', '-c', `rpcbind -w; rpc.statd --no-notify; nfsdcld; exportfs -ra; ${daemons}`);
  const source = `${closed.address}:/srv/vol1`;
  const failed = await failsToMount(t, source, 'vers=3,port=12049,mountport=12048,nolock');
  t.is(failed.class, 'connection-refused');
  t.regex(failed.message, /TCP port 111$/);
  t.regex(failed.hint, /port=PORT,mountport=PORT,proto=tcp,nolock/);
  const cured = 'vers=3,port=12049,mountport=12048,proto=tcp,nolock';
  t.like(await mountNfs(source, await newTarget(), cured), { status: 0, output: '' });
  await unmountAll();
  await closed.stopServices();
});

const said: readonly (readonly [title: string, source: string, options: string, errorClass: string])[] = [
  ['not exported to us, v3', `${server.address}:/srv/secret`, 'vers=3', 'access-denied'],
  ['not exported to us, v4', `${server.address}:/srv/secret`, 'vers=4.2', 'no-such-export'],
  ['no such export, v4', `${server.address}:/srv/nowhere`, 'vers=4.2', 'no-such-export'],
  ['no such directory, v3', `${server.address}:/srv/vol1/missing`, 'vers=3,nolock', 'no-such-export'],
  ['a file for a directory, v4', `${server.address}:/srv/vol1/file`, 'vers=4.2', 'no-such-export'],
  ['an unknown option', `${server.address}:/srv/vol1`, 'vers=4.2,foo=bar', 'bad-option'],
  ['v4 asked of a server with v3 alone', `${v3Server.address}:/srv/vol1`, 'vers=4.2', 'version-not-offered'],
  ['a version that there is not', `${server.address}:/srv/vol1`, 'vers=4.9', 'bad-option'],
  ['a source that is none', 'justahost', 'vers=4.2', 'usage'],
];

for (const [title, source, options, errorClass] of said) {
  test.serial(`${title}: ${errorClass}`, async (t) => {
    const failed = await failsToMount(t, source, options);
    t.is(failed.class, errorClass, failed.helperOutput);
    t.regex(failed.helperOutput, /mount\.nfs: /);
    t.truthy(failed.hint);
  });
}

test.serial('as many mounts as fs.mount-max allows: mount-max', async (t) => {
  const path = '/proc/sys/fs/mount-max';
  const before = await readFile(path, 'utf8');
  const count = (await readFile('/proc/self/mountinfo', 'utf8')).split('\n').length - 1;
  await writeFile(path, String(count + 1));
  try {
    const failed = await failsToMount(t, `${server.address}:/srv/vol1`, 'vers=4.2');
    t.is(failed.class, 'mount-max', failed.helperOutput);
    t.regex(failed.message, new RegExp(`\\(${count + 1}\\)$`));
  } finally {
    await writeFile(path, before);
  }
});

test.serial('SIGTERM while the server is asked after: ended at once, questions and all', async (t) => {
  for (const host of ['nfs.example', '10.9.0.99']) {
    const target = await newTarget();
    const run = execa(`${home}/mounter`, ['mount', '-t', 'nfs', `${host}:/srv/vol1`, target], {
      reject: false,
    });
    await setTimeout(2500);
    const started = performance.now();
    run.kill('SIGTERM');
    const result = await run;
    t.log(`${Math.round(performance.now() - started)} ms`);
    t.is(result.exitCode, 8, result.stderr);
    await nothingLeft(t, target);
  }
});

test.serial('a server that is slow and not refusing: asked after, and mounted', async (t) => {
  const target = await newTarget();
  await server.dropPackets();
  const call = mounter('mount', '-t', 'nfs', '-o', 'vers=4.2', `${server.address}:/srv/vol1`, target);
  await setTimeout(2500);
  await server.passPackets();
  const { status, output, milliseconds } = await call;
  t.log(`${milliseconds} ms`);
  t.is(status, 0, output);
});

/** The last test: the node's end of each network loses its IPv6 address. */
test.serial('an IPv6 server on a node with IPv6 off: no-route', async (t) => {
  await disableIpv6('1');
  try {
    for (const options of ['vers=3', 'vers=4.2', '']) {
      const failed = await failsToMount(t, `[${server.address6}]:/srv/vol1`, options);
      t.is(failed.class, 'no-route');
      t.regex(failed.message, /this node has no IPv6 address/);
      t.regex(failed.hint, /sysctl -w net\.ipv6\.conf\.all\.disable_ipv6=0/);
    }
  } finally {
    await disableIpv6('0');
  }
});

async function disableIpv6(value: '0' | '1'): Promise<void> {
  for (const name of await readdir('/proc/sys/net/ipv6/conf'))
    await writeFile(`/proc/sys/net/ipv6/conf/${name}/disable_ipv6`, value);
}
