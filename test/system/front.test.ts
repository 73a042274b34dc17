import { existsSync, statSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import { execa } from 'execa';
import { frontExecutable } from '../../scripts/paths.ts';
import { mostBytesOfFront } from '../support/front-size.ts';
import { enterModes } from '../support/node/enter-mode.ts';
import {
  dist,
  installedMounter,
  kubeletDirectory,
  mounterHome,
  type NodeRequest,
  ScratchNode,
} from '../support/node/namespace.ts';

/** The front: what it is, what it hands over, what it has the full executable do, and that both say the same. */

const target = `${kubeletDirectory}/pods/u/volumes/v`;
const helperPath = `${mounterHome}/rootfs/usr/sbin/mount.nfs`;

/** The source tells it what to do. */
const helper = `#!/bin/sh
case $1 in
*:/ok) echo "a warning" >&2; exec mount -t tmpfs "$1" "$2" ;;
*:/daemon) sleep 60 & mount -t tmpfs "$1" "$2" ;;
*:/silent) exit 0 ;;
*:/killed) kill -9 $$ ;;
*:/waits) trap '' TERM; sleep 100 & wait; wait ;;
*:/descriptors) for n in 0 1 2 3 4 5 6 7 8 9; do (: <&$n) 2>/dev/null && echo "open: $n" >&2; done; exit 32 ;;
*:/argv) printf '[%s]' "$@"; exit 32 ;;
*) echo "mount.nfs: access denied by server while mounting $1" >&2; exit 32 ;;
esac
`;

async function nodeWithHelper(request?: NodeRequest): Promise<ScratchNode> {
  const node = await ScratchNode.prepared(request);
  const place = `mkdir -p ${target}; rm ${helperPath}; cat >${helperPath}; chmod 755 ${helperPath}`;
  await node.run(['sh', '-euc', place], { input: helper });
  return node;
}

async function nothingLeft(t: ExecutionContext, node: ScratchNode): Promise<void> {
  t.deepEqual(node.entriesOf(target), []);
  // Who is killed ends when it has its turn on a CPU.
  for (let turn = 0; turn < 100 && node.processes().length > 0; turn += 1) await setTimeout(50);
  t.deepEqual(node.processes(), []);
}

test.serial('what kubelet executes is a small static executable; the full one lies beside it', async (t) => {
  await using node = await ScratchNode.installed();
  await node.shell(
    `cmp ${installedMounter} ${dist}/mounter-front; cmp ${installedMounter}-full ${dist}/mounter`,
  );
  const { stdout, stderr } = await execa('ldd', [frontExecutable], { reject: false });
  t.regex(stdout + stderr, /not a dynamic executable/);
  t.true(statSync(frontExecutable).size < mostBytesOfFront);
});

test.serial('in an empty root directory it comes as far as its usage error', async (t) => {
  await using node = await ScratchNode.start();
  await node.shell(`mkdir /tmp/empty; cp ${dist}/mounter-front /tmp/empty/mounter`);
  const call = (...argv: readonly string[]) => node.run(['chroot', '/tmp/empty', '/mounter', ...argv]);
  t.like(await call(), {
    status: 1,
    stderr: 'mounter: no command\nhint: mounter mount -t nfs SERVER:/EXPORT TARGET\n',
  });
  t.regex((await call('mount', '-t', 'nfs')).stderr, /^mounter: no source\nhint: /);
  const inOrder = await call('mount', '-t', 'nfs', 's:/x', '/mnt');
  t.is(inOrder.status, 2);
  t.regex(inOrder.stderr, /^mounter: \/mounter-full: cannot be started: No such file or directory\nhint: /);
});

test.serial(
  'a front of another version in the place of the full executable is told, and not handed over to for ever',
  async (t) => {
    await using node = await ScratchNode.start();
    await node.shell(
      `mkdir /tmp/h; for name in mounter mounter-full; do cp ${dist}/mounter-front /tmp/h/$name; done
     echo other >>/tmp/h/mounter-full`,
    );
    for (const argv of [['status'], ['mount', '-t', 'nfs', 's:/x', '/mnt']]) {
      const { status, stderr } = await node.run(['timeout', '60', '/tmp/h/mounter', ...argv]);
      t.is(status, 2, stderr);
      t.regex(stderr, /^mounter: \/tmp\/h\/mounter-full: is the front, not the full executable\nhint: /);
    }
  },
);

test.serial('a caller with a small stack: the manifest is read all the same', async (t) => {
  await using node = await ScratchNode.start();
  await node.shell(
    `mkdir /tmp/h; cp ${dist}/mounter-front /tmp/h/mounter; cp ${dist}/mounter /tmp/h/mounter-full`,
  );
  const script = 'ulimit -S -s 100; exec /tmp/h/mounter mount -t nfs s:/x /mnt';
  const { status, stderr } = await node.run(['bash', '-c', script]);
  t.is(status, 2);
  t.regex(stderr, /^mounter: \S+rootfs-manifest.json: there is no manifest: /);
});

test.serial(
  'an installation from before the front is replaced, and re-installing changes nothing',
  async (t) => {
    await using node = await ScratchNode.installed();
    await node.shell(`rm ${installedMounter}-full; cp ${dist}/mounter ${installedMounter}`);
    const install = [installedMounter, 'install', `${dist}/rootfs.tar.zst`];
    const first = await node.run(install);
    t.regex(first.stdout, /^placed .*\/mounter-full\nplaced .*\/mounter$/m, first.stderr);
    t.regex((await node.run(install)).stdout, /^installed already/);
    await node.shell(
      `cmp ${installedMounter} ${dist}/mounter-front; cmp ${installedMounter}-full ${dist}/mounter`,
    );
  },
);

test.serial('a reader of stderr who is gone makes no failure of a mount', async (t) => {
  await using node = await nodeWithHelper();
  // The FIFO has a reader while it is opened, and none when the helper's warning is passed on.
  const script = `mkfifo /run/gone; exec 9<>/run/gone 2>/run/gone 9<&-
    ${installedMounter} mount -t nfs -o vers=4 s:/ok ${target}; echo $?`;
  t.is((await node.run(['bash', '-c', script])).stdout, '0\n');
  await node.shell(`umount ${target}`);
});

test.serial(
  'what is handed over keeps argv byte for byte, argv[0], environment, stdin and status',
  async (t) => {
    await using node = await ScratchNode.start();
    // dash in the place of the full executable: it shows what it was started with.
    await node.shell(
      `mkdir /tmp/h; cp ${dist}/mounter-front /tmp/h/mounter; cp /bin/dash /tmp/h/mounter-full`,
    );
    const show =
      'od -An -c /proc/$$/cmdline | tr -d " \\n"; echo; echo $A; cat; ls /proc/$$/fd | tr "\\n" " "; exit 7';
    const script = `exec -a other/name /tmp/h/mounter -c '${show}' $'\\xff\\xfe' '' 'a b' 5</dev/null`;
    const { status, stdout } = await node.run(['bash', '-c', script], {
      input: 'in\n',
      environment: { A: 'b  c' },
    });
    t.is(status, 7);
    const [words, variable, input, descriptors] = stdout.split('\n');
    t.true(words?.startsWith('other/name\\0-c\\0'), words);
    t.true(words?.endsWith('\\0377376\\0\\0ab\\0'), words);
    t.deepEqual([variable, input], ['b c', 'in']);
    t.regex(descriptors ?? '', /^0 1 2 .*\b5 /);
  },
);

interface Example {
  readonly title: string;
  readonly argv: readonly string[];
  /** To be done before. */
  readonly script?: string;
}

const nfs = (source: string, ...options: readonly string[]): readonly string[] => [
  'mount',
  '-t',
  'nfs',
  ...options,
  source,
  target,
];

const examples: readonly Example[] = [
  { title: 'no command', argv: [] },
  { title: 'an unknown command', argv: ['mont'] },
  { title: 'help', argv: ['--help'] },
  { title: 'help for mount', argv: ['mount', '--help'] },
  { title: 'no source', argv: ['mount', '-t', 'nfs'] },
  { title: 'an unknown option', argv: ['mount', '--tipes', 'nfs', 's:/x', target] },
  { title: 'a secret among the operands', argv: nfs('s:/x', '-o', 'username=x,', 'password=secret') },
  { title: 'a type that is not offered', argv: ['mount', '-t', 'xfs', 's:/x', target] },
  { title: 'a target outside', argv: ['mount', '-t', 'nfs', 's:/x', '/mnt/x'] },
  { title: 'a target that is missing', argv: ['mount', '-t', 'nfs', 's:/x', `${target}/missing`] },
  { title: 'a plan', argv: nfs('s:/ok', '--dry-run') },
  { title: 'a plan as JSON', argv: nfs('s:/ok', '--dry-run', '--json') },
  { title: 'a mount', argv: nfs('s:/ok', '-o', 'vers=4') },
  { title: 'a mount, step by step', argv: nfs('s:/ok', '-v', '-o', 'vers=4') },
  { title: 'a fake mount', argv: nfs('s:/fails', '-f', '-o', 'vers=4') },
  { title: 'a remount of nothing', argv: nfs('s:/ok', '-o', 'remount') },
  { title: 'a helper that fails', argv: nfs('s:/fails', '-o', 'vers=4') },
  { title: 'a helper that fails, as JSON', argv: nfs('s:/fails', '--json', '-o', 'vers=4') },
  { title: 'a helper that mounts nothing', argv: nfs('s:/silent', '-o', 'vers=4') },
  { title: 'a helper that is killed', argv: nfs('s:/killed', '-o', 'vers=4') },
  { title: 'something else on the target', argv: nfs('s:/x'), script: `mount -t tmpfs other ${target}` },
  { title: 'options of 100 kB', argv: nfs('s:/fails', '-o', `vers=4,x=${'a'.repeat(100_000)}`) },
  {
    title: 'a helper without its interpreter',
    argv: nfs('s:/x', '-o', 'vers=4'),
    script: `printf '#!/no/such\\n' >${helperPath}`,
  },
  { title: 'a helper that is missing', argv: nfs('s:/x'), script: `rm ${helperPath}` },
  { title: 'no manifest', argv: nfs('s:/x'), script: `rm ${mounterHome}/rootfs-manifest.json` },
];

/** The last line of the record, without what differs from call to call. */
function lastRecord(node: ScratchNode): unknown {
  const line = node.read('/var/log/containerized-mounter/mounter.log').trimEnd().split('\n').at(-1) ?? '';
  const { time: _time, pid: _pid, totalMs: _totalMs, steps = {}, ...rest } = JSON.parse(line);
  return { ...rest, steps: Object.keys(steps) };
}

test.serial(
  'front and full executable say the same of the same call, to the caller and to the record',
  async (t) => {
    await using node = await nodeWithHelper();
    for (const { title, argv, script = ':' } of examples) {
      await node.shell(script);
      const seen: unknown[] = [];
      for (const program of [installedMounter, `${installedMounter}-full`]) {
        const ran = await node.run([program, ...argv]);
        // The front says itself, in its words, what the full executable has from the program.
        const both = JSON.stringify({ ran, record: lastRecord(node) });
        seen.push(JSON.parse(both.replaceAll('/usr/sbin/chroot: ', 'chroot: ')));
        await node.shell('rm -f /run/containerized-mounter/failures/*');
        if (argv.includes('s:/ok') && ran.status === 0) await node.run(['umount', target]);
      }
      t.deepEqual(seen[0], seen[1], title);
      await node.run(['sh', '-c', `umount ${target} 2>/dev/null`]);
    }
    await nothingLeft(t, node);
  },
);

test.serial(
  'the full executable mounts by the front that it has in itself, whatever lies beside it',
  async (t) => {
    await using node = await nodeWithHelper();
    await node.shell(`rm ${installedMounter}`);
    const full = `${installedMounter}-full`;
    t.like(await node.run([full, ...nfs('s:/ok', '-o', 'vers=4')]), { status: 0, stderr: 'a warning\n' });
    await node.shell(`umount ${target}`);
    // A copy of it as a mount helper: what it is asked for by the front is no mount.
    await node.shell(`cp ${full} /tmp/mount.nfs; touch ${mounterHome}/rootfs-manifest.json`);
    const call = ['/tmp/mount.nfs', 's:/fails', target, '-o', 'vers=4'];
    const failed = await node.run(call, { environment: { MOUNTER_HOME: mounterHome } });
    t.regex(failed.stderr, /access denied by server/);
    t.is(failed.status, 32);
    await nothingLeft(t, node);
  },
);

test.serial('a node that runs no program out of memory unless it is asked to, or not at all', async (t) => {
  await using node = await nodeWithHelper();
  const call = [`${installedMounter}-full`, ...nfs('s:/ok', '--dry-run')];
  const setting = '/proc/sys/vm/memfd_noexec';
  const isThere = existsSync(setting);
  // Of this pid namespace, which can have it no lower any more.
  if (isThere) await node.shell(`echo 1 >${setting}`);
  t.like(await node.run(call), { status: 0, stderr: '' });
  // Linux before 6.3 runs them all.
  if (!isThere) return;
  await node.shell(`echo 2 >${setting}`);
  const refused = await node.run(call);
  t.is(refused.status, 126);
  t.regex(
    refused.stderr,
    /^mounter: \S+\/mounter-full: the front in it could not be started: EACCES\nhint: call the mounter that is installed,/,
  );
  t.is((await node.run([installedMounter, ...nfs('s:/ok', '--dry-run')])).status, 0);
});

test.serial(
  'where nothing is installed, the one file that was downloaded makes a plan by the manifest it is given',
  async (t) => {
    await using node = await ScratchNode.start();
    await node.shell(`cp ${dist}/rootfs-manifest.json /tmp/manifest.json`);
    const plan = (MOUNTER_MANIFEST: string) =>
      node.run([`${dist}/mounter`, ...nfs('s:/ok', '--dry-run')], { environment: { MOUNTER_MANIFEST } });
    t.like(await plan('/tmp/manifest.json'), { status: 0, stderr: '' });
    t.regex((await plan('/tmp/manifest.json')).stdout, /^nfs: s:\/ok on .*\n1\. check that /);
    t.like(await plan('/tmp/none'), { status: 2, stdout: '' });
  },
);

const settings = '/run/containerized-mounter/settings';

test.serial('a manifest that has changed is checked by the full executable, once', async (t) => {
  await using node = await nodeWithHelper();
  const programs = async (): Promise<readonly (string | undefined)[]> => {
    const trace = ['strace', '-f', '-qq', '-e', 'trace=execve', '-e', 'signal=none', '-o', '/tmp/trace'];
    const argv = [...trace, installedMounter, ...nfs('s:/ok', '-o', 'vers=4')];
    t.is((await node.run(argv)).status, 0);
    await node.shell(`umount ${target}`);
    return [...node.read('/tmp/trace').matchAll(/ execve\("(\/[^"]*mounter[^"]*)".* = 0$/gm)].map(
      ([, program]) => program,
    );
  };
  await node.shell(`touch ${mounterHome}/rootfs-manifest.json`);
  t.deepEqual(await programs(), [installedMounter, `${installedMounter}-full`]);
  t.deepEqual(await programs(), [installedMounter]);
  // Root alone leaves it there.
  await node.shell(`rm -r ${settings}; mkdir ${settings}`);
  t.regex(
    (await node.mounter(...nfs('s:/ok', '-o', 'vers=4'))).stderr,
    /^mounter: \S+\/settings: EISDIR: .*\nhint: /,
    'it is told that it cannot be read',
  );
  await nothingLeft(t, node);
});

for (const [title, full, status, stderr] of [
  [
    'is missing',
    undefined,
    2,
    /^mounter: \S+\/mounter-full: cannot be started: No such file or directory\nhint: /,
  ],
  ['cannot be executed', '#!/no/such\n', 2, /^mounter: \S+\/mounter-full: could not be started: ENOENT/],
  [
    'fails',
    '#!/bin/sh\necho words; exit 3\n',
    2,
    /mounter-full: could not read the settings: status 3\nwords\nhint: /,
  ],
  ['is of another version', '#!/bin/sh\necho {}\n', 2, /could not read the settings: status 0\n\{\}\nhint: /],
  [
    'does not end before a signal',
    '#!/bin/sh\nkill -TERM $PPID; sleep 100\n',
    8,
    /^mounter: interrupted before the/,
  ],
] as const) {
  test.serial(
    `a manifest that has changed, and a full executable that ${title}: nothing is mounted`,
    async (t) => {
      await using node = await nodeWithHelper();
      await node.shell(`touch ${mounterHome}/rootfs-manifest.json; rm ${installedMounter}-full`);
      if (full !== undefined)
        await node.run(['sh', '-c', `cat >${installedMounter}-full; chmod 755 ${installedMounter}-full`], {
          input: full,
        });
      const ran = await node.run(['timeout', '60', installedMounter, ...nfs('s:/ok', '-o', 'vers=4')]);
      t.is(ran.status, status, ran.stderr);
      t.regex(ran.stderr, stderr);
      t.regex(
        (await node.run([installedMounter, 'mount', '-t', 'nfs'])).stderr,
        /^mounter: no source\nhint: /,
      );
      await nothingLeft(t, node);
    },
  );
}

test.serial(
  'a record that the full executable would write, which is missing: the mount succeeds all the same',
  async (t) => {
    await using node = await nodeWithHelper();
    const manifest = `${mounterHome}/rootfs-manifest.json`;
    const { log: _log, ...rest } = JSON.parse(node.read(manifest));
    await node.run(['sh', '-c', `cat >${manifest}`], {
      input: JSON.stringify({ ...rest, log: { to: 'journal' } }),
    });
    await node.mustRun('prepare');
    await node.shell(`rm ${installedMounter}-full`);
    const ran = await node.run([installedMounter, ...nfs('s:/ok', '-o', 'vers=4')]);
    t.deepEqual(ran, { status: 0, stdout: '', stderr: 'a warning\n' });
    await node.shell(`umount ${target}`);
    await nothingLeft(t, node);
  },
);

test.serial('a signal ends the helper and all of its group, also who ignores SIGTERM', async (t) => {
  await using node = await nodeWithHelper();
  for (const signal of ['TERM', 'INT', 'HUP']) {
    const script = `${installedMounter} ${nfs('s:/waits', '-o', 'vers=4').join(' ')} & front=$!
      until pidof sleep >/dev/null; do :; done; kill -${signal} $front; wait $front`;
    // A shell's child in the background ignores SIGINT and SIGQUIT: bash's job control leaves them alone.
    const { status, stderr } = await node.run(['bash', '-mc', script]);
    t.is(status, 8, stderr);
    t.regex(stderr, /interrupted while mounting s:\/waits; nothing is mounted/);
    await nothingLeft(t, node);
  }
});

test.serial('a process that the helper leaves behind keeps nobody waiting', async (t) => {
  await using node = await nodeWithHelper();
  const started = performance.now();
  const { status, stderr } = await node.mounter(...nfs('s:/daemon', '-o', 'vers=4'));
  t.is(status, 0, stderr);
  t.true(performance.now() - started < 50_000, 'its sleep takes 60 s');
  t.is(node.processesOf('sleep').length, 1);
});

test.serial('what is no UTF-8 is refused, all else reaches the helper byte for byte', async (t) => {
  await using node = await nodeWithHelper();
  const call = (option: string) =>
    node.run(['bash', '-c', `exec ${installedMounter} mount -t nfs -o vers=4,x=${option} s:/argv ${target}`]);
  for (const bytes of ['\\xff', '\\xc0\\x80', '\\xed\\xa0\\x80', '\\xf4\\x90\\x80\\x80', 'a\\xe2\\x82']) {
    const { status, stderr } = await call(`$'${bytes}'`);
    t.is(status, 1, bytes);
    t.regex(stderr, /^mounter: options: the options is not valid UTF-8\nhint: /);
  }
  const { status, stderr } = await call("$'\\xe2\\x82\\xac\\xf0\\x9f\\x98\\x80\\xc3\\xa9'");
  t.is(status, 32);
  t.is(stderr.split('\n')[1], `[s:/argv][${target}][-o][vers=4,x=€😀é]`);
});

test.serial(
  'before Linux 5.9, which has no close_range(2), a helper gets none of many open files either',
  async (t) => {
    await using node = await nodeWithHelper();
    const call = (...tracer: readonly string[]) => {
      const mount = [...tracer, installedMounter, ...nfs('s:/descriptors', '-o', 'vers=4')].join(' ');
      return node.run(['bash', '-c', `for n in {3..120}; do eval "exec $n</dev/null"; done; exec ${mount}`]);
    };
    const trace = ['strace', '-f', '-qq', '-o', '/tmp/trace', '-e', 'trace=close_range,fcntl'];
    const { status, stderr } = await call(...trace, '-e', 'inject=close_range:error=ENOSYS');
    t.is(status, 32);
    // Descriptor 3 is for its notices.
    t.deepEqual(stderr.match(/(?<=^open: ).*$/gm), ['0', '1', '2', '3']);
    t.regex(node.read('/tmp/trace'), /ENOSYS .*INJECTED[\s\S]* fcntl\(120, F_SETFD, FD_CLOEXEC\) += 0/);
    t.like(await call(), { status, stderr });
    await nothingLeft(t, node);
  },
);

test.serial('a helper that the kernel cannot execute is no shell script, as for mount(8)', async (t) => {
  await using node = await nodeWithHelper();
  await node.shell(`echo 'echo as a script' >${helperPath}`);
  const { status, stdout, stderr } = await node.mounter(...nfs('s:/x', '-o', 'vers=4'));
  t.is(status, 126);
  t.regex(stderr, /^(chroot|nsenter): failed to .*\/sbin\/mount\.nfs'?: Exec format error\nhint: /m);
  t.notRegex(stdout + stderr, /^as a script$/m);
});

for (const enter of enterModes) {
  test.serial(
    `${enter}: a full disk where the output of the helper is kept: its words come all the same`,
    async (t) => {
      await using node = await nodeWithHelper({ enter });
      await node.shell(`inodes=$(df --output=iused /run | tail -n 1)
      mount -o remount,size=1m,nr_inodes=$((inodes + 8)) /run
      cat /dev/zero >/run/zeros 2>/dev/null || true
      number=0; while ( : >/run/$number ) 2>/dev/null; do number=$((number + 1)); done`);
      await node.shell('mount -t tmpfs -o size=4k,nr_inodes=1 full /tmp');
      const { status, stderr } = await node.mounter(...nfs('s:/fails', '-o', 'vers=4'));
      t.is(status, 32, stderr);
      t.regex(stderr, /access denied by server/);
    },
  );
}
