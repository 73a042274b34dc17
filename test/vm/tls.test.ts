import { appendFile, readFile, rm, writeFile } from 'node:fs/promises';
import { setTimeout } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import { execa } from 'execa';
import { examine } from '../support/guest/examined.ts';
import type { Machine } from '../support/guest/machine.ts';
import {
  entriesOf,
  home,
  installAndPrepare,
  mounter,
  mountNfs,
  mustSucceed,
  newTarget,
  unmountAll,
} from '../support/guest/node.ts';
import { nothingLeft } from '../support/guest/nothing-left.ts';
import {
  captured,
  makeAuthority,
  makeCertificate,
  pki,
  presentCertificate,
  startTlsServer,
} from '../support/guest/tls-server.ts';
import { everyNth } from '../support/long-run.ts';

/** Mounts with xprtsec=tls and mtls, of a real NFS server with TLS and of one without. */

const record = '/var/log/containerized-mounter/mounter.log';

let server: Machine;
let hostsBefore = '';
let plain: Machine;

const files = (name: string) => ({ certificate: `${pki}/${name}.pem`, privateKey: `${pki}/${name}.key` });
const usual = { trustStore: `${pki}/ca.pem`, ...files('client') };

const setTls = (tls: object) =>
  writeFile(`${home}/node-settings.json`, JSON.stringify({ security: { tls } }));

test.before(async () => {
  await makeAuthority('ca');
  await makeAuthority('other-ca');
  const names = 'DNS:files.example,IP:10.9.0.1';
  await makeCertificate('server', 'ca', names);
  await makeCertificate('expired', 'ca', names, true);
  await makeCertificate('untrusted', 'other-ca', names);
  await makeCertificate('client', 'ca', 'DNS:node.example');
  await makeCertificate('expired-client', 'ca', 'DNS:node.example', true);
  await makeCertificate('untrusted-client', 'other-ca', 'DNS:node.example');
  hostsBefore = await readFile('/etc/hosts', 'utf8');
  await appendFile('/etc/hosts', '10.9.0.1 files.example other.example\n10.9.1.1 plain.example\n');
  [server, plain] = await Promise.all([
    startTlsServer({ name: 'files', address: '10.9.0.1' }),
    startTlsServer({ name: 'plain', address: '10.9.1.1', isWithoutTls: true }),
  ]);
  await installAndPrepare();
  await setTls(usual);
});

test.beforeEach(() => setTls(usual));
test.afterEach.always(async () => {
  await presentCertificate(server.directory, 'server');
  await unmountAll();
});
test.after.always(async () => {
  await endTlshd();
  await rm(`${home}/node-settings.json`, { force: true });
  await writeFile('/etc/hosts', hostsBefore);
  for (const one of [server, plain]) await one.close();
});

/** The first tlshd of the node's network, or of another process's; none of those that it makes for handshakes. */
async function tlshds(): Promise<readonly number[]> {
  const { stdout } = await execa('pgrep', ['-x', 'tlshd', '--ns', '1', '--nslist', 'net'], { reject: false });
  return stdout.split('\n').filter(Boolean).map(Number);
}

async function endTlshd(): Promise<void> {
  const ours = ['-x', 'tlshd-keeper|tlshd', '--ns', '1', '--nslist', 'net'];
  await execa('pkill', ['-KILL', ...ours], { reject: false });
  while ((await tlshds()).length > 0) await setTimeout(20);
}

const lastRecord = async () =>
  JSON.parse((await readFile(record, 'utf8')).trimEnd().split('\n').at(-1) ?? '{}');

/** 8 s, and what this guest, whose CPU is emulated, takes for three mounts. */
let limitMs = 8000;

test.serial('a mount without xprtsec= starts no tlshd', async (t) => {
  const call = await mountNfs('10.9.0.1:/srv/any', await newTarget(), 'vers=4.2');
  t.like(call, { status: 0, output: '' });
  limitMs += 3 * call.milliseconds;
  t.deepEqual(await tlshds(), []);
});

for (const version of ['vers=4.2', 'vers=3']) {
  for (const kind of ['tls', 'mtls']) {
    test.serial(`${kind}, ${version}: mounted, read and written`, async (t) => {
      const target = await newTarget();
      const call = await mountNfs('files.example:/srv/tls', target, `${version},xprtsec=${kind}`);
      t.like(call, { status: 0, output: '' });
      t.log(`${call.milliseconds} ms`);
      t.true((await entriesOf(target))[0]?.superOptions.includes(`xprtsec=${kind}`));
      t.is(await readFile(`${target}/file`, 'utf8'), 'TEXT-OF-tls\n');
      await writeFile(`${target}/written`, version);
      t.is(await readFile(`${server.directory}/tls/written`, 'utf8'), version);
      if (kind === 'mtls')
        t.regex(await readFile(`${server.directory}/tlshd.log`, 'utf8'), /The certificate is trusted/);
      t.is((await tlshds()).length, 1);
    });
  }
}

test.serial('in a rootfs that is entered by chroot, too', async (t) => {
  await endTlshd();
  const settings = { enter: 'chroot', security: { tls: usual } };
  await writeFile(`${home}/node-settings.json`, JSON.stringify(settings));
  await mustSucceed(`${home}/mounter`, 'prepare');
  const target = await newTarget();
  t.like(await mountNfs('files.example:/srv/tls', target, 'xprtsec=mtls'), { status: 0, output: '' });
  t.is(await readFile(`${target}/file`, 'utf8'), 'TEXT-OF-tls\n');
  t.is((await tlshds()).length, 1);
  await unmountAll();
  await setTls(usual);
  await mustSucceed(`${home}/mounter`, 'prepare');
});

test.serial(
  'in a container without CAP_NET_ADMIN one that listens will do, and none is started; with --tls it is',
  async (t) => {
    const image = `--image=registry.example/agent@sha256:${'0'.repeat(64)}`;
    const inContainer = async (flags: readonly string[], ...argv: readonly string[]) => {
      const { output } = await mounter('manifest', 'csi', image, ...flags);
      const [, added = ''] = /^ +add:\n((?: +- \w+\n)+)/m.exec(output) ?? [];
      const kept = [...added.matchAll(/\w+/g)].map(([name]) => `+${name.toLowerCase()}`).join();
      const confined = [`--bounding-set=-all,${kept}`, '--inh-caps=-all', `${home}/mounter`, ...argv];
      return execa('setpriv', confined, { reject: false, all: true });
    };
    const mount = ['mount', '-t', 'nfs', '-o', 'vers=4.2,xprtsec=tls', 'files.example:/srv/tls'];
    await endTlshd();
    const refused = await inContainer([], ...mount, await newTarget());
    t.is(refused.exitCode, 32);
    t.regex(refused.all, /it takes CAP_NET_ADMIN\nhint: run mounter unit tls --install on this node/);
    t.deepEqual(await tlshds(), []);
    t.like(await mounter('exec', '--', '/usr/sbin/start-statd', 'tlshd'), { status: 0 });
    const mounted = await inContainer([], ...mount, await newTarget());
    t.is(mounted.exitCode, 0, mounted.all);
    await unmountAll();
    await endTlshd();
    const itself = await inContainer(['--tls'], ...mount, await newTarget());
    t.is(itself.exitCode, 0, itself.all);
    t.is((await tlshds()).length, 1);
  },
);

test.serial('by address, where the certificate has it', async (t) => {
  const call = await mountNfs('10.9.0.1:/srv/tls', await newTarget(), 'xprtsec=tls');
  t.like(call, { status: 0, output: '' });
});

test.serial('on the wire the text of a file is not readable, and without TLS it is', async (t) => {
  const onTheWire = async (directory: string, options: string) => {
    const target = await newTarget();
    const bytes = await captured(server.device, async () => {
      const call = await mountNfs(`files.example:/srv/${directory}`, target, options);
      t.like(call, { status: 0, output: '' });
      t.is(await readFile(`${target}/file`, 'utf8'), `TEXT-OF-${directory}\n`);
      await writeFile(`${target}/secret`, `WRITTEN-TO-${directory}`);
      await execa('umount', [target]);
    });
    return [`TEXT-OF-${directory}`, `WRITTEN-TO-${directory}`].map((text) => bytes.includes(text));
  };
  t.deepEqual(await onTheWire('any', 'vers=4.2'), [true, true]);
  for (const options of ['vers=4.2,xprtsec=tls', 'vers=4.2,xprtsec=mtls', 'vers=3,nolock,xprtsec=tls'])
    t.deepEqual(await onTheWire('tls', options), [false, false]);
});

interface FailureCase {
  readonly title: string;
  readonly source: string;
  readonly options: string;
  readonly tls?: object;
  /** What the server presents. */
  readonly certificate?: string;
  readonly errorClass: string;
  readonly output: RegExp;
}

const failures: readonly FailureCase[] = [
  {
    title: 'a server of a CA that is not trusted',
    source: 'files.example:/srv/tls',
    options: 'vers=4.2,xprtsec=tls',
    certificate: 'untrusted',
    errorClass: 'server-certificate',
    output: /of no CA that this node trusts[\s\S]*\nhint: add the certificate of the CA of files\.example/,
  },
  {
    title: 'the same with mtls and NFSv3',
    source: 'files.example:/srv/tls',
    options: 'vers=3,nolock,xprtsec=mtls',
    certificate: 'untrusted',
    errorClass: 'server-certificate',
    output: /of no CA that this node trusts/,
  },
  {
    title: "a server's certificate that has expired",
    source: 'files.example:/srv/tls',
    options: 'vers=4.2,xprtsec=tls',
    certificate: 'expired',
    errorClass: 'server-certificate',
    output: /certificate has expired\n[\s\S]*hint: renew the certificate on files\.example/,
  },
  {
    title: 'an expired one, with mtls',
    source: 'files.example:/srv/tls',
    options: 'vers=4.2,xprtsec=mtls',
    certificate: 'expired',
    errorClass: 'server-certificate',
    output: /certificate has expired/,
  },
  {
    title: 'another name than that of the certificate',
    source: 'other.example:/srv/tls',
    options: 'vers=4.2,xprtsec=tls',
    errorClass: 'server-certificate',
    output:
      /for other names than other\.example, which was expected\n[\s\S]*subjectAltName has other\.example/,
  },
  {
    title: 'another name, with mtls',
    source: 'other.example:/srv/tls',
    options: 'vers=4.2,xprtsec=mtls',
    errorClass: 'server-certificate',
    output: /for other names than other\.example, which was expected/,
  },
  {
    title: 'a server without TLS',
    source: 'plain.example:/srv/any',
    options: 'vers=4.1,xprtsec=tls',
    errorClass: 'tls-not-offered',
    output:
      /the server plain\.example has no TLS\n[\s\S]*hint: take xprtsec=tls out of mountOptions, .* or turn it on there/,
  },
  {
    title: 'a server without TLS, NFSv3',
    source: 'plain.example:/srv/any',
    options: 'vers=3,nolock,xprtsec=tls',
    errorClass: 'access-denied',
    output: /the server plain\.example has no TLS, or does not export/,
  },
  {
    title: 'a server without TLS, no version',
    source: 'plain.example:/srv/any',
    options: 'xprtsec=tls',
    errorClass: 'tls-not-offered',
    output: /the server plain\.example has no TLS/,
  },
  {
    title: 'mtls, and the settings name no certificate',
    source: 'files.example:/srv/tls',
    options: 'vers=4.2,xprtsec=mtls',
    tls: { trustStore: `${pki}/ca.pem` },
    errorClass: 'client-certificate',
    output: /the settings name none\nhint: set security\.tls\.certificate and security\.tls\.privateKey/,
  },
  {
    title: 'mtls, and the certificate is not there',
    source: 'files.example:/srv/tls',
    options: 'vers=4.2,xprtsec=mtls',
    tls: { trustStore: `${pki}/ca.pem`, ...files('nowhere') },
    errorClass: 'client-certificate',
    output: /no file \/etc\/test-pki\/nowhere\.pem, which security\.tls\.certificate of the settings names/,
  },
  {
    title: 'the server demands mtls',
    source: 'files.example:/srv/mtls',
    options: 'vers=4.2,xprtsec=tls',
    errorClass: 'access-denied',
    output: /does not export this directory to this node with xprtsec=tls\n[\s\S]*ask for xprtsec=mtls/,
  },
  {
    title: 'the server demands mtls, NFSv3',
    source: 'files.example:/srv/mtls',
    options: 'vers=3,nolock,xprtsec=tls',
    errorClass: 'access-denied',
    output: /does not export this directory to this node with xprtsec=tls/,
  },
  {
    title: 'the server exports without TLS alone',
    source: 'files.example:/srv/none',
    options: 'vers=4.2,xprtsec=tls',
    errorClass: 'access-denied',
    output: /does not export this directory to this node with xprtsec=tls/,
  },
  {
    title: 'the server does not trust the certificate of this node',
    source: 'files.example:/srv/tls',
    options: 'vers=4.2,xprtsec=mtls',
    tls: { trustStore: `${pki}/ca.pem`, ...files('untrusted-client') },
    errorClass: 'client-certificate',
    output: /files\.example does not take the certificate of this node/,
  },
  {
    title: 'the certificate of this node has expired',
    source: 'files.example:/srv/tls',
    options: 'vers=4.2,xprtsec=mtls',
    tls: { trustStore: `${pki}/ca.pem`, ...files('expired-client') },
    errorClass: 'client-certificate',
    output: /files\.example does not take the certificate of this node/,
  },
  {
    title: 'a trust store that is not there: no other is taken in its place',
    source: 'files.example:/srv/tls',
    options: 'vers=4.2,xprtsec=tls',
    tls: { trustStore: `${pki}/nowhere.pem` },
    errorClass: 'tls',
    output: /no file \/etc\/test-pki\/nowhere\.pem, which security\.tls\.trustStore/,
  },
];

async function fails(
  t: ExecutionContext,
  source: string,
  options: string,
  errorClass: string,
  output: RegExp,
) {
  const target = await newTarget();
  const call = await mountNfs(source, target, options);
  t.log(`${call.milliseconds} ms: ${call.output}`);
  t.not(call.status, 0);
  t.is((await lastRecord()).errorClass, errorClass, call.output);
  t.regex(call.output, output);
  t.true(call.milliseconds < limitMs, `${call.milliseconds} ms`);
  await nothingLeft(t, target);
}

for (const { title, source, options, tls, certificate, errorClass, output } of everyNth(3, failures)) {
  test.serial(`${title}: ${errorClass}`, async (t) => {
    if (tls !== undefined) await setTls(tls);
    if (certificate !== undefined) await presentCertificate(server.directory, certificate);
    await fails(t, source, options, errorClass, output);
  });
}

/** Lines that a process appends to a file of the volume, each with its number, and what it could not write. */
async function startLoad(target: string): Promise<{ stop(): Promise<{ lines: number; errors: string }> }> {
  const script = 'while :; do i=$((i + 1)); echo $i >>"$1/load" && sync "$1/load"; sleep 0.02; done';
  const writer = execa('bash', ['-c', script, 'bash', target], { reject: false });
  await setTimeout(300);
  return {
    stop: async () => {
      writer.kill('SIGTERM');
      const { stderr } = await writer;
      const lines = (await readFile(`${server.directory}/tls/load`, 'utf8')).split('\n').filter(Boolean);
      await execa('rm', [`${server.directory}/tls/load`]);
      return { lines: lines.length, errors: stderr };
    },
  };
}

/** Ends every connection of the server's, as a restart of it does; its volumes are connected anew. */
const resetConnections = () =>
  server.run('sh', '-c', 'rpc.nfsd 0; rpc.nfsd --grace-time 10 --lease-time 10 4');

const handshakes = async () =>
  (await readFile(`${server.directory}/tlshd.log`, 'utf8')).match(/was successful/g)?.length ?? 0;

test.serial(
  'the server is mounted without TLS, under another name: no mount goes without what it asks for',
  async (t) => {
    const plainTarget = await newTarget();
    t.like(await mountNfs('10.9.0.1:/srv/any', plainTarget, 'vers=4.2'), { status: 0, output: '' });
    const asked = 'vers=4.2,xprtsec=tls';
    // The server lets this one pass without TLS, too.
    await fails(
      t,
      'files.example:/srv/any',
      asked,
      'tls',
      /files\.example without xprtsec=tls, by this name or another/,
    );
    await fails(
      t,
      'files.example:/srv/tls',
      asked,
      'tls',
      /hint: give xprtsec=tls to all volumes of files\.example/,
    );
    await writeFile(
      `${home}/node-settings.json`,
      JSON.stringify({ enter: 'chroot', security: { tls: usual } }),
    );
    await mustSucceed(`${home}/mounter`, 'prepare');
    await fails(t, 'files.example:/srv/any', asked, 'tls', /files\.example without xprtsec=tls/);
    await setTls(usual);
    await mustSucceed(`${home}/mounter`, 'prepare');
    const own = await newTarget();
    t.like(await mountNfs('files.example:/srv/any', own, 'vers=3,nolock,xprtsec=tls'), {
      status: 0,
      output: '',
    });
    t.true((await entriesOf(own))[0]?.superOptions.includes('xprtsec=tls'));
    await mustSucceed('umount', plainTarget);
    const target = await newTarget();
    t.like(await mountNfs('files.example:/srv/any', target, asked), { status: 0, output: '' });
    t.true((await entriesOf(target))[0]?.superOptions.includes('xprtsec=tls'));
    // The other way round, it has more than was asked for.
    t.like(await mountNfs('10.9.0.1:/srv/tls', await newTarget(), 'vers=4.2'), { status: 0 });
  },
);

test.serial(
  'what is there without TLS is no success for a call that asks for it, nor shown to a Pod',
  async (t) => {
    const source = 'files.example:/srv/any';
    for (const enter of ['chroot', 'attach']) {
      await writeFile(`${home}/node-settings.json`, JSON.stringify({ enter, security: { tls: usual } }));
      await mustSucceed(`${home}/mounter`, 'prepare');
      await endTlshd();
      const [target, view] = [await newTarget(), await newTarget()];
      // By an earlier mounter, or left by a call that was killed before it looked at it.
      t.is((await mountNfs(source, target, 'vers=4.2')).status, 0);
      const call = await mountNfs(source, target, 'vers=4.2,xprtsec=tls');
      t.is(call.status, 32);
      t.is((await lastRecord()).errorClass, 'busy');
      t.regex(call.output, /is mounted there already, without xprtsec=tls\nhint: run umount /);
      t.deepEqual(await tlshds(), []);
      const show = (options: string) =>
        mounter(
          ...['volume', 'publish', target, view, '--', '--json', '--asker', 'pod'],
          ...['-t', 'nfs', '-o', options, source, target],
        );
      const shown = await show('vers=4.2,xprtsec=tls');
      t.not(shown.status, 0);
      t.regex(shown.output, /is mounted there, without xprtsec=tls\n/);
      t.like(await show('vers=4.2'), { status: 0 });
      await unmountAll();
      t.is((await mountNfs(source, target, 'vers=4.2,xprtsec=tls')).status, 0);
      t.is((await mountNfs(source, target, 'vers=4.2,xprtsec=mtls,xprtsec=none')).status, 0);
      t.is((await mountNfs(source, target, 'vers=4.2,xprtsec=mtls')).status, 32);
      await unmountAll();
    }
    await endTlshd();
    t.is((await mountNfs(source, await newTarget(), 'vers=4.2,xprtsec=mtls,xprtsec=none')).status, 0);
    t.deepEqual(await tlshds(), []);
  },
);

test.serial(
  'a name that no certificate was held against is none for a server that is mounted by another',
  async (t) => {
    for (const version of ['vers=4.2', 'vers=3,nolock']) {
      const options = `${version},xprtsec=tls`;
      t.is((await mountNfs('files.example:/srv/tls', await newTarget(), options)).status, 0);
      const known =
        /has mounted it as files\.example, [\s\S]*\nhint: name files\.example in the place of other/;
      for (const directory of ['tls', 'any'])
        await fails(t, `other.example:/srv/${directory}`, options, 'server-certificate', known);
      t.is((await mountNfs('FILES.example:/srv/any', await newTarget(), options)).status, 0);
      await unmountAll();
    }
  },
);

test.serial(
  'with and without TLS at once: whichever comes first, none goes without what it asked for',
  async (t) => {
    for (let round = 0; round < 3; round += 1) {
      const calls = await Promise.all(
        ['', ',xprtsec=tls', '', ',xprtsec=tls', ',xprtsec=tls'].map(async (tls, index) => {
          const target = await newTarget();
          const name = tls === '' ? '10.9.0.1' : 'files.example';
          await setTimeout(((index + round) % 3) * 20);
          return { tls, target, ...(await mountNfs(`${name}:/srv/any`, target, `vers=4.2${tls}`)) };
        }),
      );
      for (const { tls, target, status, output } of calls) {
        const [entry] = await entriesOf(target);
        t.is(status === 0, entry !== undefined, output);
        if (tls !== '' && status === 0) t.true(entry?.superOptions.includes('xprtsec=tls'));
        if (tls !== '' && status !== 0)
          t.regex(output, /without xprtsec=tls, by this name|has mounted it as /);
      }
      t.log(calls.map(({ status }) => status).join(' '));
      await unmountAll();
    }
  },
);

test.serial('tlshd killed under load: a volume that is connected anew goes on', async (t) => {
  const target = await newTarget();
  t.like(await mountNfs('files.example:/srv/tls', target, 'vers=4.2,xprtsec=tls'), { status: 0 });
  const [before] = await tlshds();
  const load = await startLoad(target);
  await execa('kill', ['-KILL', String(before)]);
  await setTimeout(500);
  const known = await handshakes();
  await resetConnections();
  const until = performance.now() + 30_000;
  while ((await handshakes()) === known && performance.now() < until) await setTimeout(100);
  await setTimeout(1000);
  const { lines, errors } = await load.stop();
  t.log(`${lines} lines written`);
  t.is(errors, '');
  t.true((await handshakes()) > known);
  const after = await tlshds();
  t.is(after.length, 1);
  t.not(after[0], before);
});

test.serial('a certificate that was renewed is taken at the next handshake, and tlshd runs on', async (t) => {
  await setTls({ trustStore: `${pki}/ca.pem`, ...files('renewed') });
  const put = async (name: string) => {
    for (const kind of ['pem', 'key'])
      await execa('sh', [
        '-c',
        `cp -p "$0" "$1.new" && mv "$1.new" "$1"`,
        `${pki}/${name}.${kind}`,
        `${pki}/renewed.${kind}`,
      ]);
  };
  await put('expired-client');
  await fails(
    t,
    'files.example:/srv/tls',
    'vers=4.2,xprtsec=mtls',
    'client-certificate',
    /does not take the cert/,
  );
  const before = await tlshds();
  await put('client');
  t.like(await mountNfs('files.example:/srv/tls', await newTarget(), 'vers=4.2,xprtsec=mtls'), { status: 0 });
  t.deepEqual(await tlshds(), before);
});

test.serial(
  'one that is stopped is replaced by the next mount; so is one whose loop was killed',
  async (t) => {
    const works = async () => {
      const call = await mountNfs('files.example:/srv/tls', await newTarget(), 'vers=4.2,xprtsec=tls');
      t.like(call, { status: 0, output: '' });
      t.true(call.milliseconds < limitMs);
      await unmountAll();
      return tlshds();
    };
    const [first] = await works();
    await execa('kill', ['-STOP', String(first)]);
    const [second] = await works();
    t.not(second, first);
    await execa('pkill', ['-KILL', '-x', 'tlshd-keeper']);
    const [third, ...more] = await works();
    t.not(third, second);
    t.deepEqual(more, []);
    await endTlshd();
    t.is((await works()).length, 1);
    const together = await Promise.all(
      Array.from({ length: 5 }, async () =>
        mountNfs('files.example:/srv/tls', await newTarget(), 'vers=4.2,xprtsec=tls'),
      ),
    );
    t.deepEqual(
      together.map(({ status }) => status),
      [0, 0, 0, 0, 0],
    );
    t.is((await tlshds()).length, 1);
  },
);

test.serial('its keeper is killed while a mount writes new settings: the next mount heals it', async (t) => {
  const tls = () =>
    newTarget().then((target) => mountNfs('files.example:/srv/tls', target, 'vers=4.2,xprtsec=tls'));
  for (const [index, delay] of [0, 40, 120, 300].entries()) {
    await setTls({ trustStore: `${pki}/ca.pem`, ...files(index % 2 === 0 ? 'client' : 'renewed') });
    const mount = tls();
    await setTimeout(delay);
    await execa('pkill', ['-KILL', '-x', 'tlshd-keeper'], { reject: false });
    const { status, output } = await mount;
    t.true(status === 0 || output.startsWith('mounter: '), output);
    await unmountAll();
    t.like(await tls(), { status: 0 }, `killed after ${delay} ms`);
    await unmountAll();
    t.is((await tlshds()).length, 1);
    t.is((await execa('pgrep', ['-c', '-x', 'tlshd-keeper'])).stdout, '1');
  }
});

test.serial(
  'one that stops while a mount waits for it: an answer in time, and the next mount works',
  async (t) => {
    t.like(await mountNfs('files.example:/srv/tls', await newTarget(), 'vers=4.2,xprtsec=tls'), {
      status: 0,
    });
    await unmountAll();
    await server.run('pkill', '-STOP', 'ld-linux-x86-64');
    try {
      await fails(
        t,
        'files.example:/srv/tls',
        'vers=4.2,xprtsec=tls',
        'tls-not-offered',
        /does not answer the handshake of TLS/,
      );
    } finally {
      await server.run('pkill', '-CONT', 'ld-linux-x86-64');
    }
    t.like(await mountNfs('files.example:/srv/tls', await newTarget(), 'vers=4.2,xprtsec=tls'), {
      status: 0,
    });
  },
);

test.serial("the server's tlshd dead: an answer in time", async (t) => {
  await server.run('pkill', '-KILL', '-f', 'sbin/tlshd');
  try {
    const breaksOff = /begins TLS and breaks it off/;
    await fails(t, 'files.example:/srv/tls', 'vers=4.2,xprtsec=tls', 'tls-not-offered', breaksOff);
  } finally {
    await server.stopServices();
    await server.startServices();
  }
});

test.serial('a tlshd of the host is used, and none is started beside it; its state is shown', async (t) => {
  await endTlshd();
  const root = '/tmp/root-of-host';
  await execa('cp', ['-a', '--no-target-directory', `${home}/rootfs/`, root]);
  await execa('cp', [`${pki}/ca.pem`, `${root}/ca.pem`]);
  await writeFile(`${root}/etc/tlshd.conf`, '[authenticate.client]\nx509.truststore=/ca.pem\n');
  const own = execa('chroot', [root, '/usr/sbin/tlshd'], { reject: false });
  try {
    await setTimeout(5000);
    t.is((await tlshds()).length, 1);
    const pid = own.pid ?? 0;
    const mountTls = async () =>
      mountNfs('files.example:/srv/tls', await newTarget(), 'vers=4.2,xprtsec=tls');
    t.like(await mountTls(), { status: 0, output: '' });
    t.deepEqual(await tlshds(), [pid]);
    t.regex((await mounter('status')).output, new RegExp(`^tlshd +process ${pid}, the host's own$`, 'm'));
    await unmountAll();
    await presentCertificate(server.directory, 'expired');
    await fails(
      t,
      'files.example:/srv/tls',
      'vers=4.2,xprtsec=tls',
      'access-denied',
      /host's own tlshd .*\n[\s\S]*hint: run journalctl -t tlshd/,
    );
    process.kill(pid, 'SIGSTOP');
    await fails(
      t,
      'files.example:/srv/tls',
      'vers=4.2,xprtsec=tls',
      'tls',
      /tlshd of this host .* does not listen.*\nhint: run systemctl restart tlshd/,
    );
    t.deepEqual(await tlshds(), [pid]);
  } finally {
    own.kill('SIGKILL');
    await own;
  }
});

async function findings(): Promise<string> {
  const { findings: all } = await examine();
  return all
    .filter(({ check }) => check === 'tls' || check === 'security')
    .map(({ level, subject, message }) => `${level} ${subject} ${message}`)
    .join('\n');
}

test.serial('doctor knows the kernel and the files before a mount does, and how to mend tlshd', async (t) => {
  await endTlshd();
  await setTls({
    trustStore: `${pki}/ca.pem`,
    certificate: `${pki}/expired-client.pem`,
    privateKey: `${pki}/open.key`,
  });
  await execa('sh', ['-c', 'cp "$0/client.key" "$0/open.key" && chmod 644 "$0/open.key"', pki]);
  const before = await findings();
  t.regex(before, /^ok kernel has TLS for mounts/m);
  t.notRegex(before, / tlshd /);
  t.regex(before, /^ok \S*ca\.pem has a certificate/m);
  t.regex(before, /^warning \S*expired-client\.pem is valid until 2021-01-01/m);
  t.regex(before, /^warning \S*open\.key has keys that others/m);
  await setTls(usual);
  const call = await mountNfs('files.example:/srv/tls', await newTarget(), 'vers=4.2,xprtsec=mtls');
  t.like(call, { status: 0, output: '' });
  t.regex(await findings(), /^ok tlshd runs \(process \d+, of the rootfs\)/m);
  await endTlshd();
  t.regex(await findings(), /^warning tlshd does not run: 1 mounted volumes need it/m);
  const start = ['exec', '--', '/usr/sbin/start-statd', 'tlshd'];
  t.like(await mounter(...start), { status: 0 });
  await execa('kill', ['-STOP', String((await tlshds())[0])]);
  t.regex(await findings(), /^warning tlshd does not answer/m);
  t.like(await mounter(...start), { status: 0 });
  t.regex(await findings(), /^ok tlshd runs/m);
  t.is((await tlshds()).length, 1);
  await unmountAll();
  t.like(await mounter('teardown'), { status: 0 });
  t.deepEqual(await tlshds(), []);
  await mustSucceed(`${home}/mounter`, 'prepare');
});

test.serial('a kernel without TLS: doctor knows, and so does a mount', async (t) => {
  await endTlshd();
  await execa('modprobe', ['-r', 'tls']);
  const [file] = (await execa('modinfo', ['-n', 'tls'])).stdout.split('\n');
  await execa('mv', [String(file), '/tmp/tls.ko']);
  await execa('depmod');
  try {
    t.regex(
      await findings(),
      /^warning kernel mounts with xprtsec=tls and mtls would fail: .* no module tls/m,
    );
    await fails(
      t,
      'files.example:/srv/tls',
      'vers=4.2,xprtsec=tls',
      'node',
      /the kernel of this node has no TLS/,
    );
  } finally {
    await execa('mv', ['/tmp/tls.ko', String(file)]);
    await execa('depmod');
  }
});
