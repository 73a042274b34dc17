import { existsSync, readdirSync, statSync } from 'node:fs';
import test from 'ava';
import { fuseMount, kubeletDirectory, mounter } from '../support/node/namespace.ts';
import { linesOf, mountWords, recordFile, recordNode, volume } from '../support/node/record-node.ts';
import { parseExposition } from '../support/texts/exposition-grammar.ts';

test.serial('each call that changes the node is one line, and no other', async (t) => {
  await using node = await recordNode();
  const words = ['mount', '-t', 'nfs', '-o', 'vers=4,password=hunter2', 'srv:/x', volume];
  t.is((await node.mounter(...words)).status, 0);
  t.is((await node.mounter('mount', '-t', 'nfs', 'fail:/x', `${kubeletDirectory}/pods`)).status, 32);
  t.is((await node.mounter('mount', '-t', 'nfs', 'srv:/x', '/elsewhere')).status, 1);
  for (const reader of [
    ['status'],
    ['log'],
    ['versions'],
    ['mount', '--help'],
    ['mount', '--dry-run', ...words.slice(1)],
  ])
    await node.mounter(...reader);
  t.is((await node.mounter('exec', '--', '/bin/sh', '-c', 'exit 3')).status, 3);
  const lines = linesOf(node);
  t.deepEqual(
    lines.map(({ command, status }) => [command, status]),
    [
      ['install', 0],
      ['prepare', 0],
      ['mount', 0],
      ['mount', 32],
      ['mount', 1],
      ['exec', 3],
    ],
  );
  const [, , mounted = {}, failed = {}, refused = {}, exec = {}] = lines;
  t.like(mounted, {
    level: 30,
    fstype: 'nfs',
    source: 'srv:/x',
    target: volume,
    wasMounted: false,
    msg: 'mounted',
  });
  t.is(mounted.options, 'vers=4,password=<masked>');
  t.deepEqual(Object.keys(mounted.steps as object), [
    'checkHelper',
    'checkTarget',
    'copyNodeFiles',
    'checkServer',
    'runHelper',
    'verifyMounted',
    'setReadAhead',
    'attach',
  ]);
  t.like(failed, { level: 50, errorClass: failed.errorClass, helperOutput: 'mount.nfs: no\n' });
  t.is(Object.keys(failed.steps as object).at(-1), 'runHelper');
  t.like(refused, { errorClass: 'mount-point', target: '/elsewhere' });
  t.deepEqual(exec.arguments, ['--', '/bin/sh']);
  t.false(node.read(recordFile).includes('hunter2'));
  t.deepEqual([statSync(node.path(recordFile)).mode & 0o777], [0o640]);
});

test.serial('called as mount.nfs, by a caller with umask 077 on a node without the directory', async (t) => {
  await using node = await recordNode();
  await node.shell(`mv /var/log/containerized-mounter /var/log/old; ln -s ${mounter} /run/mount.nfs`);
  await node.shell(`umask 077; /run/mount.nfs srv:/x ${volume} -o vers=4`);
  t.like(linesOf(node)[0], { command: 'mount', calledAs: 'mount.nfs', fstype: 'nfs' });
  t.is(statSync(node.path('/var/log/containerized-mounter')).mode & 0o777, 0o755);
});

test.serial('64 KiB of hostile words of a helper are still one line', async (t) => {
  const fail = 'head -c 65536 /dev/urandom >&2; printf "\\n\\033[2J\\302\\233\\n" >&2';
  await using node = await recordNode({ fail });
  t.is((await node.mounter('mount', '-t', 'nfs', 'fail:/x', volume)).status, 32);
  const line = node.read(recordFile).trimEnd().split('\n').at(-1) ?? '';
  t.true(Buffer.byteLength(line) < 16 * 1024);
  t.notRegex(line, /[\x00-\x1f\x7f-\x9f]/);
  t.is(JSON.parse(line).status, 32);
});

const obstacles: Readonly<Record<string, string>> = {
  'a pipe that nobody reads': 'mkfifo $log',
  'a pipe that is never emptied': 'mkfifo $log; sleep 1000 <>$log >/dev/null 2>&1 & sleep 0.1',
  'a symlink': 'ln -s /run/victim $log; : >/run/victim',
  'a directory': 'mkdir $log',
  'a device': 'mknod $log c 1 3',
  'a read-only /var/log': 'mount -t tmpfs -o ro tmpfs /var/log',
  'a file where the directory should be': 'rm -r $directory; : >$directory',
  'a full disk':
    'mount -t tmpfs -o size=8k tmpfs $directory; head -c 8192 /dev/zero >$directory/full || true',
};

for (const [name, make] of Object.entries(obstacles)) {
  test.serial(`${name} at the place of the record: the mount works, and so does a failure`, async (t) => {
    await using node = await recordNode();
    await node.shell(`log=${recordFile}; directory=\${log%/*}; rm -f $log; ${make}`);
    const started = Date.now();
    t.deepEqual(await node.mounter(...mountWords, 'srv:/x', volume), { status: 0, stdout: '', stderr: '' });
    const failed = await node.mounter(...mountWords, 'srv:/y', volume);
    t.is(failed.status, 32);
    t.is(failed.stderr.match(/^mounter: /gm)?.length, 1);
    // Far from any waiting: the limit of one is 100 ms.
    t.true(Date.now() - started < 20_000);
    if (name === 'a symlink') t.is(node.read('/run/victim'), '');
    t.is((await node.mounter('status')).stderr, '');
  });
}

test.serial('a filesystem that hangs at the place of the record costs its limit, and no more', async (t) => {
  const log = { file: '/mnt/hung/mounter.log' };
  // Nobody ever reads what the kernel asks of this one.
  const before = `mkdir /mnt/hung; exec 3<>/dev/fuse; ${fuseMount('fuse.hung', 'hung', '/mnt/hung')}; sleep 1000 >/dev/null 2>&1 &`;
  await using node = await recordNode({ log, before });
  const started = Date.now();
  t.is((await node.mounter(...mountWords, 'srv:/x', volume)).status, 0);
  t.is((await node.mounter(...mountWords, 'srv:/y', volume)).status, 32);
  t.true(Date.now() - started < 20_000);
  t.deepEqual(node.processesOf('mounter'), []);
});

test.serial('no record where the manifest wants none', async (t) => {
  await using node = await recordNode({ log: { to: 'none' }, before: `rm ${recordFile}` });
  t.is((await node.mounter(...mountWords, 'srv:/x', volume)).status, 0);
  t.is((await node.mounter(...mountWords, 'srv:/y', volume)).status, 32);
  t.false(existsSync(node.path(recordFile)));
  t.is((await node.mounter('log')).stdout, 'no calls in the record\n');
});

test.serial('mounter log explains failures; --failures, -n and --json', async (t) => {
  await using node = await recordNode();
  await node.mounter(...mountWords, 'srv:/x', volume);
  await node.mounter(...mountWords, 'srv:/y', volume);
  const all = await node.mustRun('log');
  t.regex(
    all,
    /^TIME +COMMAND .*\n.* install .*\n.* prepare .*\n.* mount +ok .*\n.* mount .*\n {4}srv:\/x .* not srv:\/y\n {4}hint: /,
  );
  t.is((await node.mustRun('log', '--failures')).split('\n').length, 5);
  const [call, ...more] = JSON.parse(await node.mustRun('log', '--json', '-n', '1')).calls;
  t.like(call, { command: 'mount', source: 'srv:/y', status: 32 });
  t.deepEqual(more, []);
  t.regex((await node.mounter('log', '-n', 'x')).stderr, /not a number of calls/);
  const asNobody = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', mounter];
  t.regex((await node.run([...asNobody, 'log'])).stderr, /cannot be read.*\nhint: run it as root/);
  t.regex(await node.mustRun('status'), /last hour +1 +1: .*\nlast day .*\nlast failure .*\n.*not srv:\/y\n/);
});

test.serial('mounter log says what a failure is about, and what the helper said last', async (t) => {
  await using node = await recordNode({
    fail: "printf 'mount.nfs: %s\\n\\n' one two three four >&2",
  });
  await node.mounter('mount', '-t', 'nfs', '-o', 'vers=4,x-mounter.readahead=1', 'srv:/x', volume);
  await node.mounter(...mountWords, 'fail:/x', volume);
  const log = await node.mustRun('log', '--failures');
  t.regex(log, /\n {4}x-mounter\.readahead: there is no such option\n {4}hint: /);
  t.regex(log, /\n {4}\S+ failed to mount fail:\/x\n {4}mount\.nfs: two\n.* three\n.* four\n {4}hint: /);
});

test.serial(
  'status --metrics: all the mounts and the node, in a format that a strict reader takes',
  async (t) => {
    await using node = await recordNode();
    await node.mounter(...mountWords, 'srv:/x', volume);
    for (const type of ['no"such', 'nosuch']) await node.mounter('mount', '-t', type, 'srv:/y', volume);
    await node.mustRun('status', '--metrics', '/run/mounter.prom');
    const samples = parseExposition(node.read('/run/mounter.prom'));
    const isOfState = ({ name }: { readonly name: string }) => !name.endsWith('_timestamp_seconds');
    const shown = parseExposition(await node.mustRun('status', '--metrics'));
    t.deepEqual(samples.filter(isOfState), shown.filter(isOfState));
    const valueWith = (name: string, labels: Record<string, string> = {}) =>
      samples.find(
        (s) => s.name === name && Object.entries(labels).every(([key, text]) => s.labels.get(key) === text),
      )?.value;
    t.is(valueWith('mounter_mounts_total', { fstype: 'nfs', result: 'success', class: 'none' }), 1);
    // A call with a mistake in it is in the log, and no mount.
    t.is(valueWith('mounter_mounts_total', { result: 'failure' }), undefined);
    t.regex(await node.mustRun('status'), /last hour +1 +0\n/);
    t.regex(await node.mustRun('log'), /mount +usage .* nosuch /);
    t.is(valueWith('mounter_prepared'), 1);
    t.is(valueWith('mounter_versions_installed'), 1);
    t.true((valueWith('mounter_mount_table_entries') ?? 0) > 10);
    t.is(statSync(node.path('/run/mounter.prom')).mode & 0o777, 0o644);
    // Of one that was killed; and of one that is at work.
    await node.shell('mkdir /run/m; echo x >/run/m/m.prom.new.4194304; echo x >/run/m/m.prom.new.1');
    const writing = Array.from({ length: 8 }, () => node.mounter('status', '--metrics', '/run/m/m.prom'));
    t.deepEqual(
      (await Promise.all(writing)).filter(({ status }) => status !== 0),
      [],
    );
    t.is(parseExposition(node.read('/run/m/m.prom')).length, shown.length);
    t.deepEqual(readdirSync(node.path('/run/m')).sort(), ['m.prom', 'm.prom.new.1']);
    t.is((await node.mounter('status', '/run/mounter.prom')).status, 1);
    const both = await node.mounter('status', '--metrics', '--json');
    t.is(both.status, 1);
    t.regex(both.stderr, /^mounter: --json: the metrics are no JSON\nhint: take --json or --metrics: /);
  },
);
