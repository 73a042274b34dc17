import { execFileSync } from 'node:child_process';
import test from 'ava';
import { execa } from 'execa';
import { mounterExecutable } from '../../scripts/paths.ts';
import { commands as definitions } from '../../src/commands/table.ts';

/** None of this touches the node: it is refused, or it is help. */
function mounter(...argv: readonly string[]) {
  return execa(mounterExecutable, argv, { reject: false, stripFinalNewline: false, stdin: 'ignore' });
}

const documented = definitions.map(({ name }) => name).filter((name) => name !== 'help');
const commands = [...documented, 'help'];

for (const command of commands) {
  test.serial(`mounter ${command} --help shows how it is called`, async (t) => {
    for (const flag of ['--help', '-h']) {
      if (command === 'mount' && flag === '-h') continue;
      const { exitCode, stdout, stderr } = await mounter(command, flag);
      t.is(exitCode, 0, flag);
      t.is(stderr, '');
      t.regex(stdout, /^( {2})?mounter /m);
    }
  });
}

for (const command of documented) {
  test.serial(`mounter help ${command} is mounter ${command} --help, with an example`, async (t) => {
    const { exitCode, stdout } = await mounter('help', command);
    t.is(exitCode, 0);
    t.is(stdout, (await mounter(command, '--help')).stdout);
    t.regex(stdout, new RegExp(`^ {2}mounter ${command}`, 'm'));
  });
}

test.serial('a reader who does not read for a while gets all of it, and costs no processor', async (t) => {
  // dd leaves the pipe full, and without waiting for whoever writes to it.
  const fill = 'dd if=/dev/zero bs=65536 count=1 oflag=nonblock status=none';
  const readAfter = async (seconds: number) => {
    const script = `{ ${fill}; "$0" help install; times >&2; } | { sleep ${seconds}; tail -c +65537; }`;
    const { stdout, stderr } = await execa('sh', ['-c', script, mounterExecutable], {
      stripFinalNewline: false,
    });
    t.is(stdout, (await mounter('help', 'install')).stdout);
    const [, user, system] = /^0m([\d.]+)s 0m([\d.]+)s$/m.exec(stderr.split('\n')[1] ?? '') ?? [];
    return Number(user) + Number(system);
  };
  const [atOnce, later] = [await readAfter(0), await readAfter(3)];
  t.true(later < 2 * atOnce + 0.3, `${later} s of a processor, ${atOnce} s for one who reads at once`);
});

test.serial('the overview names every command', async (t) => {
  for (const argv of [['--help'], ['-h'], ['help']]) {
    const { exitCode, stdout } = await mounter(...argv);
    t.is(exitCode, 0);
    for (const command of [...documented, 'help']) t.true(stdout.includes(`  mounter ${command} `), command);
  }
});

test.serial('the version is that of package.json', async (t) => {
  const { version } = JSON.parse(execFileSync('cat', ['package.json'], { encoding: 'utf8' }));
  for (const word of ['version', '--version']) t.is((await mounter(word)).stdout, `mounter ${version}\n`);
});

const mistakes: readonly (readonly [argv: readonly string[], stderr: RegExp])[] = [
  [[], /^mounter: no command\nhint: see mounter --help\n$/],
  [[''], /^mounter: : unknown command\nhint: see mounter --help\n$/],
  [['instal'], /^mounter: instal: unknown command\nhint: did you mean mounter install\?/],
  [['statsu'], /did you mean mounter status\?/],
  [['mnt'], /^mounter: mnt: unknown command\nhint: did you mean mounter mount\?/],
  [
    ['umount', '/x'],
    /^mounter: umount: unknown command\nhint: umount\(8\), the host's own program, .*: umount TARGET\n/,
  ],
  [['uninstall'], /^mounter: uninstall: unknown command\nhint: mounter teardown undoes prepare/],
  [['upgrade'], /^mounter: upgrade: unknown command\nhint: mounter install SOURCE brings another version/],
  [['constructor'], /^mounter: constructor: unknown command\n/],
  [['__proto__'], /^mounter: __proto__: unknown command\n/],
  [['a\nb\u001b[31m'], /^mounter: a\\x0ab\\x1b\[31m: unknown command\n/],
  [['--helpp'], /^mounter: --helpp: unknown command\nhint: /],
  [
    ['manifest', 'deamonset'],
    /^mounter: deamonset: there is no such manifest\nhint: did you mean mounter manifest daemonset\? See /,
  ],
  [['manifest', 'x'], /^mounter: x: there is no such manifest\nhint: mounter manifest daemonset, or /],
  [['help', 'instal'], /^mounter: instal: .*\nhint: did you mean mounter install --help\?/],
  [['help', 'unit', 'kubelet'], /^mounter: unit kubelet: .*\nhint: see mounter unit --help\n$/],
  [['help', 'help', 'x'], /^mounter: help x: has no manual of its own\n/],
  [['help', 'manifest', 'daemonset', 'x'], /^mounter: x: is one operand too many for mounter help\n/],
  [['--help', 'instal'], /^mounter: instal: .*\nhint: did you mean mounter install --help\?/],
  [['version', 'extra'], /^mounter: extra: is one operand too many for mounter version\n/],
  [['--version', 'extra'], /^mounter: extra: is one operand too many for mounter version\n/],
  [['status', '--no-json'], /^mounter: --no-json: unknown option\nhint: see mounter status --help\n/],
  [['status', '--json=yes'], /^mounter: --json: takes no value\n/],
  [['install', '--into'], /^mounter: --into: needs a value\nhint: see mounter install --help\n$/],
  [['install'], /^mounter: install: .*missing\nhint: see mounter install --help\n$/],
  [['install', 'a', 'b'], /^mounter: b: is one operand too many for mounter install\n/],
  [['install', '--dgest', 'x', 'a'], /^mounter: --dgest: unknown option\nhint: did you mean --digest\?/],
  [['install', 'a', '--digest'], /^mounter: --digest: needs a value\n/],
  [['install', 'a', '--digest='], /^mounter: --digest: needs a value\n/],
  [['install', 'a', '--home', 'x', '--home', 'y'], /^mounter: --home: given more than once\n/],
  [
    ['install', 'registry.example/tools:v1', '--verify-key', '/no/such'],
    /^mounter: \/no\/such: there is no such key\n/,
  ],
  [
    ['install', '--', '-no-such-file'],
    /^mounter: -no-such-file: there is no such file, and as an image it names no registry\nhint: /,
  ],
  [['install', '/no/such/file'], /^mounter: \/no\/such\/file: there is no such file\nhint: /],
  [['prepare', 'now'], /^mounter: now: is one operand too many for mounter prepare\n/],
  [['prepare', '--force'], /^mounter: --force: unknown option\nhint: see mounter prepare --help\n$/],
  [['prepare', '-f'], /^mounter: -f: unknown option\n/],
  [
    ['teardown', '--unmount-volume'],
    /^mounter: --unmount-volume: .*\nhint: did you mean --unmount-volumes\?/,
  ],
  [['status', '--volumes', '--metrics'], /^mounter: --volumes: .*\nhint: take --volumes or --metrics\n/],
  [['status', '--jsn'], /^mounter: --jsn: unknown option\nhint: did you mean --json\?/],
  [['status', '--jsn=1'], /^mounter: --jsn: unknown option\n/],
  [
    ['status', '--metrics', '/nowhere/x.prom'],
    /^mounter: \/nowhere\/x\.prom: .*\/nowhere does not exist\nhint: mkdir -p \/nowhere, or /,
  ],
  [['status', '-'], /^mounter: -: .*\n/],
  [['node-agent', '--interval', '0'], /^mounter: --interval: 0 is no number of seconds/],
  [['node-agent', '--once', 'x'], /^mounter: x: is one operand too many for mounter node-agent\n/],
  [['log', '-n'], /^mounter: -n: needs a value\n/],
  [['exec'], /^mounter: exec: no command\nhint: mounter exec -- /],
  [['exec', '--'], /^mounter: exec: no command\nhint: /],
  [['exec', 'ls'], /^mounter: ls: the command has no -- before it\nhint: mounter exec -- ls\n$/],
  [['exec', 'sh', '-c', 'ls /dev'], /\nhint: mounter exec -- sh -c 'ls \/dev'\n$/],
  [['exec', '--jsn', '--', 'ls'], /^mounter: --jsn: unknown option\n/],
];
const mountMistakes = ['server:/export', 'server', '//server/share', '[fd00::5]:/export'].map(
  (source) => [['mount', '-t', 'nfs', source], /no target to mount it on\nhint: name the directory/] as const,
);

for (const [argv, stderr] of [...mistakes, ...mountMistakes]) {
  test.serial(`a usage error: mounter ${JSON.stringify(argv)}`, async (t) => {
    const result = await mounter(...argv);
    t.is(result.exitCode, 1);
    t.regex(result.stderr, stderr);
    t.is(result.stdout, '');
    t.true(result.stderr.split('\n').length <= 3, 'one line, and one hint');
  });
}

test.serial('a variable that is mistyped is a usage error', async (t) => {
  const result = await execa(mounterExecutable, ['status'], { reject: false, env: { MOUNTER_HOM: '/opt' } });
  t.is(result.exitCode, 1);
  t.is(
    result.stderr,
    'mounter: MOUNTER_HOM: there is no such variable\nhint: did you mean MOUNTER_HOME? Else unset it',
  );
});

for (const home of ['relative', '/a/../b', '..']) {
  test.serial(`MOUNTER_HOME=${home} is refused`, async (t) => {
    const result = await execa(mounterExecutable, ['status'], { reject: false, env: { MOUNTER_HOME: home } });
    t.is(result.exitCode, 1);
    t.regex(result.stderr, /MOUNTER_HOME is not an absolute path/);
  });
}
