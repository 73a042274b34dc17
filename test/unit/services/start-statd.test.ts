import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import test from 'ava';
import { execa } from 'execa';
import { runDirectory } from '../../../src/node/layout.ts';
import { services } from '../../../src/services/services.ts';
import { startStatdScript } from '../../../src/services/start-statd.ts';
import { serviceFunctions } from '../../../src/services/starts.ts';
import { unitsOf } from '../../../src/units/units.ts';
import { layout, manifest } from '../../support/model/node-model.ts';

/** sh's opinion of the script. */
async function syntaxErrors(script: string): Promise<string> {
  return (await execa('sh', ['-n'], { input: script, reject: false, all: true })).all;
}

test('the script of the manifest that ships is shell', async (t) => {
  const script = startStatdScript(manifest);
  t.is(await syntaxErrors(script), '');
  t.regex(script, /^daemon \$preloaded '\/sbin\/rpc\.statd' '--no-notify' \|\|/m);
});

test('rpc.statd starts without a guard that cannot be loaded into it', async (t) => {
  const script = startStatdScript(manifest);
  const line = script.split('\n').find((one) => one.startsWith('asked $preloaded ')) ?? '';
  const preloadedBy = async (guard: string, program: string) => {
    const begin = `preloaded='env LD_PRELOAD=${guard}'; asked() { "$@" >/dev/null 2>&1; }`;
    const statd = line.replace("'/sbin/rpc.statd'", program);
    return (await execa('sh', ['-c', `${begin}\n${statd}\necho "$preloaded"`])).stdout;
  };
  t.is(await preloadedBy('', '/bin/true'), 'env LD_PRELOAD=');
  t.is(await preloadedBy('', '/bin/false'), '');
  t.true(script.indexOf(line) < script.indexOf('daemon $preloaded '));
});

test('paths and arguments are words, whatever is in them', async (t) => {
  const path = `/sbin/it's "$HOME" \`id\` \\ x`;
  const hostile = { path, arguments: [`'; exit 9; '`, '', '*'] };
  const script = startStatdScript({
    ...manifest,
    daemons: { ...manifest.daemons, rpcbind: hostile, statd: hostile },
  });
  t.is(await syntaxErrors(script), '');
  const call = script.split('\n').find((line) => line.startsWith("daemon '")) ?? '';
  const words = call.replace(/^daemon /, '').replace(/ \|\| .*/, '');
  const { stdout } = await execa('sh', ['-c', `printf '[%s]' ${words}`]);
  t.is(stdout, [path, ...hostile.arguments].map((word) => `[${word}]`).join(''));
});

test('the limit is whole seconds', async (t) => {
  const script = startStatdScript({ ...manifest, limits: { ...manifest.limits, daemonSeconds: 0.3 } });
  t.is(await syntaxErrors(script), '');
  t.regex(script, /flock -w 1 9/);
});

for (const [portmapper, expected] of [
  ['any', "'/sbin/rpcbind' '-w' ||"],
  ['loopback', "'/sbin/rpcbind' '-w' '-h' '127.0.0.2' ||"],
  [['127.0.0.1', '::1', '10.0.0.7'], "'/sbin/rpcbind' '-w' '-h' '10.0.0.7' ||"],
  [['10.0.0.7', 'fd00::7'], "'/sbin/rpcbind' '-w' '-h' '10.0.0.7' '-h' 'fd00::7' ||"],
] as const) {
  test(`rpcbind listens where policy.portmapper says: ${portmapper}`, (t) => {
    const policy = {
      ...manifest.policy,
      portmapper: typeof portmapper === 'string' ? portmapper : [...portmapper],
    };
    t.true(startStatdScript({ ...manifest, policy }).includes(expected));
  });
}

test('run by a mount.nfs of mounter’s start-statd tells that by a pipe, and fails: mount.nfs is to ask again', async (t) => {
  const script = startStatdScript(manifest);
  // Nothing of what follows: a node would be looked at.
  const begin = script.slice(0, script.indexOf('# What a daemon does'));
  t.not(begin, script);
  const run = async (argv: string) =>
    (await execa('sh', ['-c', argv], { input: `${begin}echo goes on`, reject: false })).stdout;
  t.is(await run('{ { sh -s 3>&1 1>&4 || echo failed >&4; } | od -An -c | tr -d " "; } 4>&1'), 'failed\n\\n');
  t.is(await run('sh -s 3>&- || echo failed'), 'goes on');
  t.is(await run('sh -s 3</dev/null || echo failed'), 'goes on');
});

for (const { role, title, unit, purpose, question } of services) {
  test(`${title} is started where it does not answer, by its own unit too`, async (t) => {
    const script = startStatdScript(manifest);
    const asks = question.map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(' ');
    t.true(script.includes(`${role}_answers() { asked ${asks}; }`));
    t.is(await syntaxErrors(question.at(-1) ?? ''), '');
    const isWanted = purpose === 'locks' ? `wants "\${1-}" ${role}` : `[ "\${1-}" = ${role} ]`;
    t.true(script.includes(`\nif ${isWanted} && ! ${role}_answers`));
    const name = purpose === 'locks' ? 'statd' : purpose === 'tls' ? 'tls' : 'kerberos';
    const units = unitsOf(name, {
      layout,
      manifest,
      kubeletArguments: [],
      driverNames: undefined,
      metricsFile: '',
    });
    const text = units.find(({ fileName }) => fileName === unit)?.text ?? '';
    t.true(text.includes(`"${manifest.daemons.startStatd}" "${role}"\n`));
  });
}

test('an image without them is not asked for Kerberos and TLS', async (t) => {
  const { rpcbind, statd, startStatd } = manifest.daemons;
  const script = startStatdScript({ ...manifest, daemons: { rpcbind, statd, startStatd } });
  t.is(await syntaxErrors(script), '');
  t.false(/gssd_answers|tlshd_answers/.test(script));
});

test('whoever starts a service for Kerberos or TLS holds up no start for NFSv3', async (t) => {
  const [, begin = ''] = startStatdScript(manifest).split(/^(?=locks=)/m);
  const [part = ''] = begin.split(/^\[ -d /m);
  const lockFor = async (...words: readonly string[]) =>
    (await execa('sh', ['-s', ...words], { input: `${part}echo "$lock"` })).stdout.replace(/.*\//, '');
  for (const role of ['', 'rpcbind', 'statd']) t.is(await lockFor(role), 'start-statd');
  t.is(await lockFor(), 'start-statd');
  for (const role of ['gssd', 'idmapd', 'tlshd']) t.is(await lockFor(role), `start-${role}`);
});

test('krb5.conf is whole, however many bring it up to date at once', async (t) => {
  const directory = mkdtempSync(`${tmpdir()}/krb5-`);
  const text = `[realms]\n${'EXAMPLE = { kdc = kdc.example }\n'.repeat(500)}`;
  writeFileSync(`${directory}/given`, text);
  const functions = serviceFunctions.replaceAll('/proc/1/root', '').replaceAll('/etc/', `${directory}/`);
  const copy = `${functions}\ncopy_krb5_conf ${directory}/given`;
  // Of one that was killed.
  writeFileSync(`${directory}/krb5.conf.999999999`, 'x');
  const all = await Promise.all(
    Array.from({ length: 12 }, () => execa('sh', ['-c', copy], { reject: false })),
  );
  t.deepEqual([...new Set(all.map(({ exitCode, stderr }) => `${exitCode}${stderr}`))], ['0']);
  t.is(readFileSync(`${directory}/krb5.conf`, 'utf8'), text);
  t.deepEqual(readdirSync(directory).sort(), ['given', 'krb5.conf']);
  rmSync(directory, { recursive: true });
});

test('copies of passwd and group are whole again, though they are newer, and stay the files that they are', async (t) => {
  const directory = mkdtempSync(`${tmpdir()}/users-`);
  const users = 'root:x:0:0::/:/bin/sh\nann:x:1000:1000::/:/bin/sh\n';
  for (const [name, text] of [
    ['own-passwd', users],
    ['own-group', 'root:x:0:\n'],
    ['passwd', users.slice(0, 30)],
  ] as const)
    writeFileSync(`${directory}/${name}`, text);
  const { ino } = statSync(`${directory}/passwd`);
  const functions = serviceFunctions
    .replaceAll('/proc/1/root/etc/', `${directory}/own-`)
    .replaceAll(runDirectory, directory);
  const { all } = await execa('sh', ['-euc', `${functions}\ncopy_users`], { all: true });
  t.is(all, '');
  t.is(readFileSync(`${directory}/passwd`, 'utf8'), users);
  t.is(statSync(`${directory}/passwd`).ino, ino);
  t.is(readFileSync(`${directory}/group`, 'utf8'), 'root:x:0:\n');
  rmSync(directory, { recursive: true });
});

test('whoever tries Kerberos is told the files that the settings name, and nothing but the answer', async (t) => {
  const krb5 = { ...manifest.security.krb5, keytab: "/srv/it's %s", config: '/srv/none' };
  const [, rest = ''] = startStatdScript({ ...manifest, security: { ...manifest.security, krb5 } }).split(
    /^(?=case "\$\{1-\}" in\nkeytab\))/m,
  );
  const [part = ''] = rest.split(/^# One at a time/m);
  const begin = 'copy_krb5_conf() { sh -c "kill -KILL \\$\\$"; }\ntry_kerberos() { echo "no keytab"; }\n';
  const { all } = await execa('sh', ['-s', 'try-kerberos', 'srv'], { input: begin + part, all: true });
  t.is(all, "keytab: /srv/it's %s\nconfig: /srv/none\nno keytab");
});

test('a keytab with several keys of a principal is tried once; a ticket that a killed try has left goes', async (t) => {
  const directory = mkdtempSync(`${tmpdir()}/krb5-`);
  const [left, live] = ['krb5cc-try.999999999', `krb5cc-try.${process.pid}`];
  for (const name of ['keytab', left, live]) writeFileSync(`${directory}/${name}`, 'x');
  const key = (type: string) => `   2 nfs/node.example@EXAMPLE (${type})`;
  const keys = ['aes256', 'aes128'].map(key).join('\n');
  const programs = `klist() { echo '${keys}'; }\ntimeout() { echo "$@" >>${directory}/asked; false; }`;
  const script = `${programs}\n${serviceFunctions.replaceAll(runDirectory, directory)}\ntry_kerberos ${directory}/keytab files.example`;
  await execa('sh', ['-c', script]);
  t.is(readFileSync(`${directory}/asked`, 'utf8').match(/ kinit /g)?.length, 1);
  t.deepEqual(readdirSync(directory).sort(), ['asked', 'keytab', live].sort());
  rmSync(directory, { recursive: true });
});
