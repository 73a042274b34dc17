import { readFile, writeFile } from 'node:fs/promises';
import { setTimeout } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import { execa } from 'execa';
import { type DnsServer, startDnsServer } from '../support/guest/dns.ts';
import { examine } from '../support/guest/examined.ts';
import type { Machine } from '../support/guest/machine.ts';
import {
  type Call,
  entriesOf,
  home,
  mounter,
  mountWithLimits,
  mustSucceed,
  newTarget,
  unmountAll,
} from '../support/guest/node.ts';
import { nothingLeft } from '../support/guest/nothing-left.ts';
import { dropPackets } from '../support/guest/packets.ts';
import { smbUsers, startSmbServer } from '../support/guest/smb-server.ts';
import { everyNth } from '../support/long-run.ts';
import { enterModes, setEnter } from '../support/node/enter-mode.ts';
import { smbRootfs } from '../support/node/smb-rootfs.ts';

/** SMB, from a rootfs that was built with the one change that docs/smb.md names, of a real Samba. */

const record = '/var/log/containerized-mounter/mounter.log';
const address = '10.9.0.1';

/** 12 s, and what this guest, whose CPU is emulated, takes for two mounts. */
let limitMs = 12_000;

let server: Machine;
let newServer: Machine;
let closed: Machine;
let dns: DnsServer;

test.before(async () => {
  server = await startSmbServer({ name: 'files', address });
  newServer = await startSmbServer({ name: 'new', address: '10.9.1.1', leastProtocol: 'SMB3_11' });
  closed = await startSmbServer({ name: 'closed', address: '10.9.5.1' });
  await closed.stopServices();
  await dropPackets(server.device, '10.9.0.99');
  await mustSucceed('/host/dist/mounter', 'install', smbRootfs);
  await mustSucceed(`${home}/mounter`, 'prepare');
  await writeFile(`${home}/rootfs/etc/resolv.conf`, 'nameserver 127.0.0.1\noptions timeout:1 attempts:1\n');
  dns = await startDnsServer({ 'smb.example': address });
  const { status, output, milliseconds } = await mount(`//${address}/vol1`, await newTarget());
  if (status !== 0) throw new Error(output);
  limitMs += 2 * milliseconds;
  await unmountAll();
});

test.afterEach.always(unmountAll);

test.after.always(async () => {
  await dns.close();
  for (const one of [server, newServer, closed]) await one.close();
});

/** Commas twice, as docs/smb.md has it. */
const password = smbUsers.alice.replaceAll(',', ',,');
const asAlice = `username=alice,password=${password}`;

const mount = (
  source: string,
  target: string,
  options = asAlice,
  type = 'cifs',
  ...more: readonly string[]
) => mounter('mount', ...more, '-t', type, '-o', options, source, target);

/** Nobody who reads `text` learns a password, or the end of one. */
function tellsNoSecret(t: ExecutionContext, text: string): void {
  for (const secret of ['sesame', 'HOME', 'swordfish', 'wrong-password'])
    t.false(text.includes(secret), text);
}

const lastRecord = async () => (await readFile(record, 'utf8')).trimEnd().split('\n').at(-1) ?? '';

for (const enter of enterModes) {
  for (const type of ['cifs', 'smb3']) {
    test.serial(
      `${enter}, ${type}: mounts, reads and writes as root, and is unmounted by the host`,
      async (t) => {
        await setEnter(home, enter);
        await mustSucceed(`${home}/mounter`, 'prepare');
        const target = await newTarget();
        t.like(await mount(`//${address}/vol1`, target, asAlice, type), { status: 0, output: '' });
        const [entry] = await entriesOf(target);
        t.is(entry?.fstype, type);
        t.true(entry?.superOptions.includes('nodfs'));
        t.is(await readFile(`${target}/sub/file`, 'utf8'), 'vol1/sub/file\n');
        await writeFile(`${target}/written`, enter);
        t.is(await readFile(`${server.directory}/vol1/written`, 'utf8'), enter);
        t.is((await execa('stat', ['-c', '%u:%g', `${target}/written`])).stdout, '0:0');
        await execa('umount', [target]);
        t.deepEqual(await entriesOf(target), []);
        tellsNoSecret(t, await lastRecord());
      },
    );
  }
}

for (const source of [
  `\\\\${address}\\vol1`,
  `//${address}/vol1/sub/`,
  '//smb.example/vol1',
  '//SMB.example/VOL1/sub',
]) {
  test.serial(`${source} is mounted, and found when it is asked for again`, async (t) => {
    const target = await newTarget();
    t.like(await mount(source, target), { status: 0, output: '' });
    const entries = await entriesOf(target);
    t.like(await mount(source.replaceAll('\\', '/'), target), { status: 0, output: '' });
    t.deepEqual(await entriesOf(target), entries);
    const other = await mount(`//${address}/vol2`, target);
    t.is(other.status, 32, other.output);
    t.regex(other.output, / \(cifs\) is mounted there already, not \/\/10\.9\.0\.1\/vol2\nhint: run umount /);
  });
}

test.serial('an IPv6 server, in brackets and without', async (t) => {
  for (const name of [`[${server.address6}]`, server.address6]) {
    const target = await newTarget();
    t.like(await mount(`//${name}/vol1`, target), { status: 0, output: '' });
    t.is(await readFile(`${target}/file`, 'utf8'), 'vol1/file\n');
  }
});

test.serial('ip= is the server, whatever the name of the source', async (t) => {
  const target = await newTarget();
  t.like(await mount('//nowhere.example/vol1', target, `${asAlice},ip=${address}`), {
    status: 0,
    output: '',
  });
});

test.serial("the host's own mount(8) finds it, once its helpers are placed", async (t) => {
  await mustSucceed(`${home}/mounter`, 'install', '--helpers');
  try {
    const target = await newTarget();
    const options = `username=bob,password=${smbUsers.bob}`;
    await execa('mount', ['-t', 'cifs', '-o', options, `//${address}/secret`, target]);
    t.is((await entriesOf(target))[0]?.source, `//${address}/secret`);
  } finally {
    await mustSucceed(`${home}/mounter`, 'install', '--remove-helpers');
  }
});

test.serial('gid=, and a share that is read-only', async (t) => {
  const target = await newTarget();
  t.like(await mount(`//${address}/readonly`, target, `${asAlice},gid=1234`), { status: 0, output: '' });
  t.is((await execa('stat', ['-c', '%u:%g', `${target}/file`])).stdout, '0:1234');
  await t.throwsAsync(writeFile(`${target}/new`, ''), { code: 'EACCES' });
});

interface Failed extends Call {
  readonly errorClass: string;
  readonly message: string;
  readonly hint: string;
  readonly helperOutput: string;
}

/** Has to fail, leave nothing, and tell no secret to anybody. */
async function fails(t: ExecutionContext, source: string, options = asAlice, type = 'cifs'): Promise<Failed> {
  const target = await newTarget();
  const call = await mount(source, target, options, type, '-v');
  const { errorClass = '', msg = '', hint = '', helperOutput = '' } = JSON.parse(await lastRecord());
  t.log(`${call.milliseconds} ms, ${errorClass}: ${call.output}`);
  await nothingLeft(t, target);
  tellsNoSecret(t, call.output);
  tellsNoSecret(t, await lastRecord());
  return { ...call, errorClass, message: msg, hint, helperOutput };
}

const failures: readonly (readonly [
  title: string,
  source: string,
  options: string,
  errorClass: string,
  hint: RegExp,
])[] = [
  ['a wrong password', '//10.9.0.1/vol1', 'username=alice,password=wrong-password', 'access-denied', /dmesg/],
  ['no password', '//10.9.0.1/vol1', 'username=alice', 'access-denied', /password=/],
  ['a share of others', '//10.9.0.1/secret', asAlice, 'access-denied', /whether it lets that user into/],
  ['no such share', '//10.9.0.1/nowhere', asAlice, 'no-such-export', /compare the share with those of 10/],
  ['no such directory', '//10.9.0.1/vol1/nowhere', asAlice, 'no-such-export', /directory with what is in/],
  ['an unknown option', '//10.9.0.1/vol1', `${asAlice},foo=bar`, 'bad-option', /dmesg names/],
  ['a version that there is not', '//10.9.0.1/vol1', `${asAlice},vers=9`, 'bad-option', /dmesg names/],
  [
    'a version that is too old',
    '//10.9.1.1/vol1',
    `${asAlice},vers=2.1`,
    'version-not-offered',
    /vers=3\.1\.1/,
  ],
  ['ports closed', '//10.9.5.1/vol1', asAlice, 'connection-refused', /start the SMB server on 10\.9\.5\.1/],
  ['another port closed', '//10.9.0.1/vol1', `${asAlice},port=9`, 'connection-refused', /port=PORT/],
  ['a silent host', '//10.9.0.99/vol1', asAlice, 'server-silent', /drops TCP port 445/],
  ['no such host in the network', '//10.9.0.77/vol1', asAlice, 'no-route', /ip route get 10\.9\.0\.77/],
  [
    'a name that does not resolve',
    '//no.example/vol1',
    asAlice,
    'name-resolution',
    /getent ahosts no\.example/,
  ],
];

for (const [title, source, options, errorClass, hint] of everyNth(2, failures)) {
  test.serial(`${title}: ${errorClass}`, async (t) => {
    const failed = await fails(t, source, options);
    t.is(failed.errorClass, errorClass, failed.output);
    t.is(failed.status, failed.errorClass === 'name-resolution' ? failed.status : 32);
    t.regex(failed.hint, hint);
    t.true(failed.milliseconds < limitMs, `${failed.milliseconds} ms`);
  });
}

const refused: readonly (readonly [source: string, options: string, errorClass: string])[] = [
  ['//10.9.0.1/vol1', 'cred=/etc/shadow', 'policy'],
  ['//10.9.0.1/vol1', `${asAlice},source=//10.9.0.1/vol2`, 'policy'],
  ['\\\\10.9.0.1\\vol1\\..\\vol2', asAlice, 'policy'],
  ['//10.9.0.1/vol1,source=//10.9.0.1/vol2', asAlice, 'usage'],
];

for (const [source, options, errorClass] of refused) {
  test.serial(`refused: ${source}, ${options.replace(asAlice, '')}`, async (t) => {
    const failed = await fails(t, source, options);
    t.is(failed.status, 1);
    t.is(failed.errorClass, errorClass, failed.output);
    t.truthy(failed.hint);
  });
}

test.serial(
  'a server that takes the connection and says nothing: ended at the deadline, and others wait no longer',
  async (t) => {
    await newServer.run('pkill', '-STOP', 'smbd');
    try {
      const target = await newTarget();
      const other = await newTarget();
      const silent = mountWithLimits(
        { mountSeconds: 6 },
        '-t',
        'cifs',
        '-o',
        asAlice,
        '//10.9.1.1/vol1',
        target,
      );
      await setTimeout(1500);
      const beside = await mount(`//${address}/vol1`, other);
      const { status, output, milliseconds } = await silent;
      t.log(`${milliseconds} ms, beside it ${beside.milliseconds} ms: ${output} ${beside.output}`);
      t.is(status, 32, output);
      t.regex(output, /did not mount .* within 6 s and was ended\nhint: see how the server 10\.9\.1\.1/);
      await nothingLeft(t, target);
      t.is(beside.status, 0, beside.output);
    } finally {
      await newServer.run('pkill', '-CONT', 'smbd');
    }
  },
);

test.serial('policy.sources: a share and what is below it, of the servers that may be reached', async (t) => {
  const path = `${home}/rootfs-manifest.json`;
  const before = await readFile(path, 'utf8');
  const sources = [{ server: '10.9.0.0/24', path: '/vol1' }];
  await writeFile(path, JSON.stringify({ ...JSON.parse(before), policy: { sources } }));
  try {
    for (const [source, options] of [
      ['//10.9.0.1/vol2', asAlice],
      ['//10.9.1.1/vol1', asAlice],
      ['//10.9.0.1/vol1', `${asAlice},ip=10.9.1.1`],
      ['//smb.example/vol1', asAlice],
    ] as const) {
      const failed = await fails(t, source, options);
      t.like(failed, { status: 1, errorClass: 'policy' });
      t.regex(failed.output, /\(policy\.sources of the settings\)\nhint: mount one of those allowed/);
    }
    for (const source of ['//10.9.0.1/vol1', '\\\\10.9.0.1\\vol1\\sub'])
      t.like(await mount(source, await newTarget()), { status: 0, output: '' });
  } finally {
    await writeFile(path, before);
  }
});

test.serial('--dry-run and --json tell no secret', async (t) => {
  const target = await newTarget();
  for (const flags of [['--dry-run'], ['--dry-run', '--json'], ['--json', '-v']]) {
    const { status, output } = await mount(`//${address}/vol1`, target, asAlice, 'cifs', ...flags);
    t.is(status, 0, output);
    tellsNoSecret(t, output);
  }
});

test.serial('the kernel has it, and a server that is gone makes its volume silent', async (t) => {
  const target = await newTarget();
  t.like(await mount(`//${newServer.address}/vol1`, target, `${asAlice},echo_interval=1`), { status: 0 });
  const { findings } = await examine();
  t.true(
    findings.some(({ check, level, subject }) => check === 'kernel' && level === 'ok' && subject === 'cifs'),
  );
  await newServer.dropPackets();
  try {
    const { output } = await mounter('status', '--json');
    const { volumes } = JSON.parse(output) as { readonly volumes: readonly { readonly state: string }[] };
    t.deepEqual(
      volumes.map(({ state }) => state),
      ['silent'],
    );
  } finally {
    await newServer.passPackets();
  }
});
