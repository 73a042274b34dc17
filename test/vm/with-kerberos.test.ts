import { once } from 'node:events';
import { chown, copyFile, mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { setTimeout } from 'node:timers/promises';
import test from 'ava';
import { execa } from 'execa';
import {
  caches,
  hosts,
  kdcMachine,
  kerberosServer,
  keytab,
  keytabOf,
  krb5Conf,
  prepareNode,
  realm,
} from '../support/guest/kerberos.ts';
import {
  entriesOf,
  home,
  installAndPrepare,
  mounter,
  mountNfs,
  newTarget,
  unmountAll,
} from '../support/guest/node.ts';
import { killRpcProcesses, rpcProcesses } from '../support/guest/rpc.ts';
import { everyNth } from '../support/long-run.ts';

/**
 * Mounts with Kerberos: a real KDC, a server that takes its tickets, and each of the ways in which there is none. The last
 * file of the suite by its name: the guest's kernel goes on to tell servers of the node by the name that it gets here.
 */

const [kdc, server] = [kdcMachine('10.9.8.1'), kerberosServer('10.9.7.1', '10.9.8.1')];
const [user, other] = [1000, 1001];
/** 8 s, and what this guest, whose CPU is emulated, takes for a mount. */
let limitMs = 8000;
let restoreNode = async () => {};

test.serial.before(async () => {
  await Promise.all([kdc.start(), mkdir(server.directory, { recursive: true })]);
  await keytabOf(kdc, `${server.directory}/krb5.keytab`, `nfs/${hosts.files}`);
  await keytabOf(kdc, keytab, `nfs/${hosts.node}`);
  await keytabOf(kdc, '/tmp/alice.keytab', 'alice');
  await server.start();
  restoreNode = await prepareNode(server.address, kdc.address);
  await copyFile(keytab, '/tmp/node.keytab');
  await installAndPrepare();
  const [target, startedMs] = [await newTarget(), performance.now()];
  const { status, output } = await mountNfs(sourceOf('krb5'), target, 'vers=4.2,sec=krb5');
  if (status !== 0) throw new Error(output);
  limitMs += performance.now() - startedMs;
  await takeTicket();
});
test.serial.afterEach.always(unmountAll);
test.after.always(async () => {
  await restoreNode();
  await server.close();
  await kdc.close();
});

const resolvConf = `${home}/rootfs/etc/resolv.conf`;
const sourceOf = (name: string) => `${hosts.files}:/srv/${name}`;

/** As its own program would: into the directory that rpc.gssd looks in. */
async function takeTicket(): Promise<void> {
  await execa('cp', ['/tmp/alice.keytab', '/run/alice.keytab']);
  const cache = `${caches}/krb5cc_${user}`;
  const call = await mounter('exec', '--', 'kinit', '-k', '-t', '/run/alice.keytab', '-c', cache, 'alice');
  if (call.status !== 0) throw new Error(call.output);
  await chown(cache, user, user);
}

function asUser(uid: number, ...argv: readonly string[]) {
  const rights = ['--reuid', String(uid), '--regid', String(uid), '--clear-groups', '--'];
  return execa('setpriv', [...rights, ...argv], { reject: false });
}

for (const [first, version] of ['3', '4.2'].entries())
  for (const flavor of everyNth(2, ['krb5', 'krb5i', 'krb5p'], first))
    test.serial(
      `v${version}, ${flavor}: read and written by root, and by a user with a ticket alone`,
      async (t) => {
        const target = await newTarget();
        t.like(await mountNfs(sourceOf(flavor), target, `vers=${version},sec=${flavor}`), {
          status: 0,
          output: '',
        });
        t.true((await entriesOf(target))[0]?.superOptions.includes(`sec=${flavor}`));
        const [own, users] = [`${target}/root-${version}`, `${target}/user-${version}`];
        await writeFile(own, 'by root');
        t.is(await readFile(own, 'utf8'), 'by root');
        t.is(
          (await asUser(user, 'sh', '-c', `umask 077; echo mine >${users} && cat ${users}`)).stdout,
          'mine',
        );
        t.not((await asUser(other, 'cat', users)).exitCode, 0);
        t.is((await stat(`${server.directory}/${flavor}/user-${version}`)).uid, user);
        // Names are translated: by rpc.idmapd in v4, and by nobody in v3, which has numbers.
        t.is((await stat(users)).uid, user);
      },
    );

test.serial(
  'what is there with weaker security than asked for is no success; with stronger it is',
  async (t) => {
    const plain = await newTarget();
    t.is((await mountNfs(sourceOf('vol1'), plain, 'vers=4.2')).status, 0);
    const call = await mountNfs(sourceOf('vol1'), plain, 'vers=4.2,sec=krb5p');
    t.is(call.status, 32);
    t.regex(call.output, /is mounted there already, without sec=krb5p\nhint: run umount /);
    t.is((await mountNfs(sourceOf('vol1'), plain, 'vers=4.2,sec=krb5p:sys')).status, 0);
    const strong = await newTarget();
    for (const flavor of ['krb5p', 'krb5'])
      t.is((await mountNfs(sourceOf('krb5p'), strong, `vers=4.2,sec=${flavor}`)).status, 0, flavor);
  },
);

test.serial('on the wire the text of a file is read with krb5i, and not with krb5p', async (t) => {
  const text = 'nobody else is to read this';
  const seen = async (flavor: string) => {
    const target = await newTarget();
    t.is((await mountNfs(sourceOf(flavor), target, `vers=4.2,sec=${flavor}`)).status, 0);
    const wire = `/tmp/${flavor}.pcap`;
    const capture = execa(
      '/server/usr/bin/tcpdump',
      ['-i', server.device, '-Z', 'root', '--immediate-mode', '-U', '-w', wire],
      {
        env: { LD_LIBRARY_PATH: '/server/usr/lib/x86_64-linux-gnu' },
        reject: false,
      },
    );
    await once(capture.stderr, 'data');
    await writeFile(`${target}/wire`, text);
    await execa('sync', ['-f', `${target}/wire`]);
    // Its packets are still to be written.
    await setTimeout(5000);
    capture.kill('SIGTERM');
    const { stderr } = await capture;
    const bytes = await readFile(wire);
    t.true(bytes.length > 500, `${flavor}: ${bytes.length} bytes captured: ${stderr}`);
    return bytes.includes(text);
  };
  t.true(await seen('krb5i'));
  t.false(await seen('krb5p'));
});

for (const version of ['3', '4.2'])
  test.serial(
    `v${version}, sec= left out, a directory with Kerberos alone, and no rpc.gssd: mounted`,
    async (t) => {
      const target = await newTarget();
      const call = await mountNfs(sourceOf('krb5p'), target, `vers=${version}`);
      t.is(call.status, 0, call.output);
      t.true((await entriesOf(target))[0]?.superOptions.includes('sec=krb5p'));
    },
  );

test.serial('without Kerberos nothing of it is started', async (t) => {
  t.is((await mountNfs(sourceOf('vol1'), await newTarget(), 'vers=4.2')).status, 0);
  t.is((await mountNfs(sourceOf('vol1'), await newTarget(), 'vers=3')).status, 0);
  const { securityServices } = JSON.parse((await mounter('status', '--json')).output);
  t.deepEqual(
    securityServices.map(({ daemon }: { daemon: unknown }) => daemon),
    [null, null, null],
  );
});

interface Failure {
  readonly title: string;
  arrange(): Promise<unknown>;
  readonly directory?: string;
  readonly says: RegExp;
  readonly hint: RegExp;
}

const failures: readonly Failure[] = [
  { title: 'no keytab', arrange: () => rm(keytab), says: /has no keytab/, hint: /put a keytab/ },
  {
    title: 'a keytab of another service',
    arrange: () => keytabOf(kdc, keytab, 'HTTP/node.example.test'),
    says: /has no key of nfs\/HOST/,
    hint: /put a keytab/,
  },
  {
    title: 'a principal that the KDC does not know',
    arrange: async () => {
      await keytabOf(kdc, keytab, 'nfs/gone.example.test');
      await kdc.run('kadmin.local', '-q', 'delprinc -force nfs/gone.example.test');
    },
    says: /the KDC does not know nfs\/gone\.example\.test@EXAMPLE\.TEST/,
    hint: /ktadd -k/,
  },
  {
    title: 'a principal that has expired',
    arrange: async () => {
      await keytabOf(kdc, keytab, 'nfs/old.example.test');
      await kdc.run('kadmin.local', '-q', 'modprinc -expire yesterday nfs/old.example.test');
    },
    says: /nfs\/old\.example\.test@EXAMPLE\.TEST has expired/,
    hint: /modprinc -expire/,
  },
  {
    title: 'another realm',
    arrange: () => writeFile('/etc/krb5.conf', krb5Conf(kdc.address).replaceAll(realm, 'OTHER.TEST')),
    says: /no KDC is known for the realm/,
    hint: /\[realms\]/,
  },
  {
    title: 'a KDC whose name is none',
    arrange: () => writeFile('/etc/krb5.conf', krb5Conf('none.example.test')),
    says: /no KDC is known for the realm/,
    hint: /\[realms\]/,
  },
  {
    title: 'a KDC that is silent',
    arrange: () => kdc.dropPackets(),
    says: /the KDC of nfs\/node\.example\.test@EXAMPLE\.TEST does not answer/,
    hint: /port 88/,
  },
  {
    title: 'name servers that are silent',
    arrange: async () => {
      await copyFile(resolvConf, '/tmp/resolv.conf');
      await writeFile('/etc/krb5.conf', krb5Conf('elsewhere.example.test'));
      await writeFile(resolvConf, `nameserver ${kdc.address}\n`);
      await kdc.dropPackets();
    },
    says: /no name server answers this node that asks for the KDC of nfs\/node\.example\.test@EXAMPLE\.TEST/,
    hint: /mounter doctor, .* by its address in \/etc\/krb5\.conf/,
  },
  {
    title: 'a directory without the flavour',
    arrange: async () => {},
    directory: 'vol1',
    says: /has a ticket for nfs\/files\.example\.test, which the server does not take/,
    hint: /exportfs -v/,
  },
  {
    title: 'a server that the KDC does not know',
    arrange: () => kdc.run('kadmin.local', '-q', `renprinc -force nfs/${hosts.files} nfs/away`),
    says: /the KDC does not know nfs\/files\.example\.test/,
    hint: /addprinc/,
  },
  {
    title: 'a KDC with another clock, and a client that does not go by it',
    arrange: async () => {
      await kdc.stopServices();
      const clock = 'LD_PRELOAD=/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1 FAKETIME=+1h';
      await kdc.run('bash', '-c', `${clock} krb5kdc >/dev/null 2>&1`);
      await writeFile('/etc/krb5.conf', krb5Conf(kdc.address, ['kdc_timesync = 0']));
    },
    says: /the clock of this node is not that of the KDC/,
    hint: /NTP/,
  },
];

for (const { title, arrange, directory = 'krb5', says, hint } of everyNth(3, failures))
  test.serial(`${title}: told within seconds, and mounted once it is mended`, async (t) => {
    await arrange();
    const target = await newTarget();
    const argv = ['--json', '-t', 'nfs', '-o', 'vers=4.2,sec=krb5', sourceOf(directory), target];
    const { status, output, milliseconds } = await mounter('mount', ...argv);
    t.log(`${milliseconds} ms: ${output}`);
    t.is(status, 32);
    const line = output.split('\n').find((text) => text.startsWith('{')) ?? '';
    const failure = JSON.parse(line);
    t.is(failure.class, 'kerberos');
    t.regex(failure.message, says);
    t.regex(failure.hint, hint);
    t.true(milliseconds < limitMs, `${milliseconds} ms`);
    t.deepEqual(await entriesOf(target), []);
    await mend();
    t.is((await mountNfs(sourceOf('krb5'), target, 'vers=4.2,sec=krb5')).status, 0);
  });

async function mend(): Promise<void> {
  await execa('sh', [
    '-c',
    `[ ! -e /tmp/resolv.conf ] || { cat /tmp/resolv.conf >${resolvConf}; rm /tmp/resolv.conf; }`,
  ]);
  await copyFile('/tmp/node.keytab', keytab);
  await writeFile('/etc/krb5.conf', krb5Conf(kdc.address));
  await kdc.passPackets().catch(() => {});
  await kdc.run('kadmin.local', '-q', `renprinc -force nfs/away nfs/${hosts.files}`);
  await kdc.stopServices();
  await kdc.startServices();
}

test.serial(
  'tickets are renewed; rpc.gssd is killed under load: the next mount heals it, and the load goes on',
  async (t) => {
    const seconds = 8;
    for (const name of [`nfs/${hosts.files}`, `nfs/${hosts.node}`, `krbtgt/${realm}`])
      await kdc.run('kadmin.local', '-q', `modprinc -maxlife "${seconds} seconds" ${name}`);
    const target = await newTarget();
    t.is((await mountNfs(sourceOf('krb5p'), target, 'vers=4.2,sec=krb5p')).status, 0);
    let [written, failed, isOver] = [0, 0, false];
    const load = (async () => {
      for (; !isOver; await setTimeout(300)) {
        const { exitCode } = await execa('sh', ['-c', `echo x >>${target}/load`], { reject: false });
        if (exitCode === 0) written += 1;
        else failed += 1;
      }
    })();
    await setTimeout(2.5 * seconds * 1000);
    t.is(failed, 0, 'two lifetimes');
    t.true(written > 20);
    await killRpcProcesses('rpc.gssd');
    t.is((await mountNfs(sourceOf('krb5i'), await newTarget(), 'vers=4.2,sec=krb5i')).status, 0);
    const before = written;
    for (let tries = 0; tries < 200 && written === before; tries += 1) await setTimeout(300);
    [isOver] = [true];
    await load;
    t.true(written > before);
    t.log(`${written} writes, ${failed} failed`);
  },
);

const pidOfGssd = async () => (await rpcProcesses()).find(({ name }) => name === 'rpc.gssd')?.pid;

test.serial(
  'users write nowhere but in directories that root gave them, and their tickets there count',
  async (t) => {
    const options = 'vers=4.2,sec=krb5';
    const [own, target] = [`${caches}/${other}`, await newTarget()];
    t.is((await stat(caches)).mode & 0o7777, 0o755);
    t.not((await asUser(other, 'touch', `${caches}/krb5cc_x`)).exitCode, 0);
    t.is((await mountNfs(sourceOf('krb5'), target, options)).status, 0);
    await writeFile(`${server.directory}/krb5/alices`, 'x', { mode: 0o600 });
    await chown(`${server.directory}/krb5/alices`, user, user);
    t.not((await asUser(other, 'cat', `${target}/alices`)).exitCode, 0);
    await unmountAll();
    await execa('install', ['-d', '-m', '700', '-o', String(other), own]);
    await execa('install', ['-m', '600', '-o', String(other), `${caches}/krb5cc_${user}`, `${own}/krb5cc`]);
    t.is((await mountNfs(sourceOf('krb5'), target, options)).status, 0);
    t.is((await asUser(other, 'cat', `${target}/alices`)).stdout, 'x');
  },
);

test.serial(
  'an rpc.gssd of other settings, or of a version before, is replaced by the next mount alone',
  async (t) => {
    const mounted = async () =>
      (await mountNfs(sourceOf('krb5'), await newTarget(), 'vers=4.2,sec=krb5')).status;
    t.is(await mounted(), 0);
    const first = await pidOfGssd();
    t.is(await mounted(), 0);
    t.is(await pidOfGssd(), first);
    await rm('/run/containerized-mounter/started-gssd');
    t.is(await mounted(), 0);
    const second = await pidOfGssd();
    t.not(second, first);
    t.is(await mounted(), 0);
    t.is(await pidOfGssd(), second);
  },
);

test.serial(
  'sec=sys:krb5, an rpc.gssd without a ticket and a silent KDC: mounted within seconds',
  async (t) => {
    await killRpcProcesses('rpc.gssd');
    t.is((await mounter('exec', '--', '/usr/sbin/start-statd', 'gssd')).status, 0);
    await kdc.dropPackets();
    const target = await newTarget();
    const argv = ['-t', 'nfs', '-o', 'vers=4.0,sec=sys:krb5', sourceOf('vol1'), target];
    const { status, milliseconds } = await mounter('mount', ...argv);
    await kdc.passPackets();
    t.is(status, 0);
    t.log(`${milliseconds} ms`);
    // 72 s without a limit of rpc.gssd's. That there is no ticket is no reason to break it off.
    t.true(milliseconds < 15_000 + limitMs, `${milliseconds} ms`);
  },
);

test.serial(
  'start-statd is killed behind any of its lines for rpc.gssd and rpc.idmapd: the next mount heals it',
  async (t) => {
    const script = (await readFile(`${home}/start-statd`, 'utf8')).split('\n');
    /** Behind which lines of its part another command may stand. */
    const linesOf = (role: string) => {
      const begin = script.findIndex((line) => line.startsWith(`! [ "\${1-}" = ${role} ]`));
      const end = script.indexOf('fi', begin);
      const part = script.slice(begin, end).map((line, index) => ({ line, at: begin + index + 1 }));
      const from = part.findIndex(({ line }) => line.endsWith(' || {'));
      const to = part.findIndex(({ line }) => line === '}');
      return part.filter((_, index) => index < from || index >= to).map(({ at }) => at);
    };
    // The KDC was silent a moment ago, which the kernel and the server may remember for seconds.
    for (let tries = 5; tries > 0; tries -= 1)
      if ((await mountNfs(sourceOf('krb5'), await newTarget(), 'vers=4.2,sec=krb5')).status === 0) break;
    await unmountAll();
    const [gssd, idmapd] = [linesOf('gssd'), linesOf('idmapd')];
    t.true(gssd.length > 5 && idmapd.length > 4);
    for (const [index, at] of gssd.entries()) {
      await killRpcProcesses('rpc.gssd');
      await killRpcProcesses('rpc.idmapd');
      for (const [role, line = 0] of [
        ['gssd', at],
        ['idmapd', idmapd[index] ?? idmapd[0]],
      ] as const) {
        await writeFile('/run/killed-start-statd', script.toSpliced(line, 0, 'kill -KILL $$').join('\n'));
        t.not(
          (await mounter('exec', '--', 'sh', '/run/killed-start-statd', role)).status,
          0,
          script[line - 1],
        );
      }
      const call = await mountNfs(sourceOf('krb5'), await newTarget(), 'vers=4.2,sec=krb5');
      t.like(call, { status: 0 }, `${script[at - 1]}: ${call.output}`);
      const names = (await rpcProcesses()).map(({ name }) => name);
      t.deepEqual(
        names.filter((name) => /gssd|idmapd|start/.test(name)).sort(),
        ['rpc.gssd', 'rpc.idmapd'],
        script[at - 1],
      );
      await unmountAll();
    }
    await rm('/run/killed-start-statd');
  },
);

test.serial('a stopped rpc.gssd is replaced; the keytab is read by nobody but it', async (t) => {
  t.is((await mountNfs(sourceOf('krb5'), await newTarget(), 'vers=4.2,sec=krb5')).status, 0);
  process.kill((await pidOfGssd()) ?? 0, 'SIGSTOP');
  t.is((await mountNfs(sourceOf('krb5i'), await newTarget(), 'vers=4.2,sec=krb5i')).status, 0);
  const doctor = (await mounter('doctor')).output;
  t.regex(doctor, /ok +security +rpc\.gssd: runs \(process \d+, of the rootfs\)/);
  const key = (await readFile(keytab)).subarray(-16);
  const { stdout: files } = await execa('find', [home, '/run', '-xdev', '-type', 'f', '-size', '-64k']);
  for (const file of files.split('\n')) {
    const bytes = await readFile(file).catch(() => Buffer.of());
    t.false(bytes.includes(key), file);
  }
});
