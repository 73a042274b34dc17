import { mkdirSync } from 'node:fs';
import test, { type ExecutionContext } from 'ava';
import { startGlusterServer } from '../support/gluster/gluster-server.ts';
import { enterModes } from '../support/node/enter-mode.ts';
import { kubeletDirectory, mounterHome, type Ran, ScratchNode } from '../support/node/namespace.ts';

/** What a Pod's author can write, on the compiled executable, with the image's own helpers. */

const installedMounter = `${mounterHome}/mounter`;

interface Called extends Ran {
  /** What the helper was started with; undefined where none was. */
  readonly argv: readonly string[] | undefined;
}

/** Makes the call, and has the kernel tell what it starts: the helper itself goes on unseen. */
async function call(
  node: ScratchNode,
  type: string,
  source: string,
  target: string,
  options: string,
): Promise<Called> {
  const trace = '/tmp/trace';
  const watch = [
    '-f',
    '-qq',
    '-b',
    'execve',
    '-e',
    'trace=execve',
    '-e',
    'signal=none',
    '-xx',
    '-s',
    '1000000',
  ];
  const words = ['mount', '-t', type, ...(options === '' ? [] : ['-o', options]), '--', source, target];
  const ran = await node.run(['strace', ...watch, '-o', trace, installedMounter, ...words]);
  return { ...ran, argv: helperArgvOf(node.read(trace)) };
}

/**
 * The argv of a mount helper in what strace -xx prints:
 *
 * ```
 * 14783 execve("\x2f\x73...", ["\x2f\x73...", "\x31..."], 0x55ffd4001b08 /* 3 vars *\/) <detached ...>
 * ```
 */
function helperArgvOf(trace: string): readonly string[] | undefined {
  const calls = [...trace.matchAll(/ execve\("([^"]*)", \[([^\]]*)\]/g)];
  const found = calls.find(([, program = '']) => /^(\/usr)?\/sbin\/mount\./.test(unescaped(program)));
  return found?.[2]
    ?.split(', ')
    .slice(1)
    .map((word) => unescaped(word.slice(1, -1)));
}

function unescaped(text: string): string {
  return Buffer.from(text.replaceAll('\\x', ''), 'hex').toString();
}

function refusedInWords(t: ExecutionContext, { status, stderr }: Ran): void {
  t.is(status, 1, stderr);
  t.regex(stderr, /^mounter: [^\n]*\n(hint: [^\n]*\n)?$/);
}

const volumes = `${kubeletDirectory}/pods/u/volumes/kubernetes.io~nfs`;
const plain = `${volumes}/plain`;

/** mount.nfs fails at once: nothing listens here. */
const quick = 'vers=4.2,retry=0,soft,timeo=5,retrans=1';
const arrives: readonly (readonly [source: string, name: string, options: string])[] = [
  ['127.0.0.1:/a,b', 'a,b', quick],
  ['127.0.0.1:/a b  c', 'a b  c', quick],
  [`127.0.0.1:/it's "quoted"`, `it's "quoted"`, quick],
  ['127.0.0.1:/back\\slash\\040', 'back\\slash\\040', quick],
  ['127.0.0.1:/$(touch /run/evil);`touch /run/evil`|*?[a]&', '$(touch evil);`x`|*?[a]&', quick],
  ['127.0.0.1:/-o', '-o', quick],
  ['127.0.0.1:/․․/x', '․․', quick],
  ['127.0.0.1:/é/e\u0301/\u{1f4be}', 'e\u0301', quick],
  ['[::1]:/x', 'v6', quick],
  ['[fe80::1%lo]:/x', 'scope', quick],
  ['127.0.0.1:/x', 'opts', `${quick},context="system_u:object_r:x:s0:c1,c2",fsc=b c`],
  ['127.0.0.1:/x', 'long', `${quick},fsc=${'a'.repeat(100_000)}`],
  [`127.0.0.1:/${'x'.repeat(100_000)}`, 'longer', quick],
];

for (const enter of enterModes) {
  test.serial(`${enter}, NFS: what is asked for reaches mount.nfs byte for byte`, async (t) => {
    await using node = await ScratchNode.prepared({ enter });
    for (const [source, name, options] of arrives) {
      const target = `${volumes}/${name}`;
      mkdirSync(node.path(target), { recursive: true });
      const { status, stderr, argv } = await call(node, 'nfs', source, target, options);
      t.deepEqual(argv, [source, target, '-o', options], `${status} ${stderr.slice(0, 300)}`);
      t.not(status, 0);
      t.deepEqual(node.entriesOf(target), []);
    }
    // A helper that is entered by chroot has the host's own /run.
    t.is((await node.run(['ls', '/run/evil'])).status, 2);
  });
}

const refused: readonly (readonly [type: string, source: string, target: string, options: string])[] = [
  ['nfs', '127.0.0.1:/a\nb', plain, ''],
  ['nfs', '127.0.0.1:/a\tb', plain, ''],
  ['nfs', '127.0.0.1:/x', `${volumes}/a\nb`, ''],
  ['nfs', '127.0.0.1:/x', plain, 'ro\n,bg'],
  ['nfs', '-o', plain, ''],
  ['nfs', 'password=hunter2', plain, 'username=x,'],
  ['nfs', '127.0.0.1:/x/../y', plain, ''],
  ['nfs', '127.0.0.1:/x', `${volumes}/../x`, ''],
  ['nfs', '127.0.0.1:/x', '/etc', ''],
  ['nfs', '127.0.0.1:/x', plain, 'bg'],
  ['nfs', '127.0.0.1:/x', plain, 'context="x,bg"'],
  ['nfs', '127.0.0.1:/x', plain, 'bind'],
  ['nfs', '127.0.0.1:/x', plain, 'open="'],
  ['glusterfs', 's:v', plain, 'log-file=/etc/passwd'],
  ['glusterfs', 's:v', plain, 'xlator-option=a.b=c'],
  ['glusterfs', 's:v ; touch /run/evil', plain, ''],
  ['glusterfs', 's:v/../x', plain, ''],
  ['glusterfs', 's:v/\\056\\056', plain, ''],
  ['glusterfs', 's:v', plain, 'log-level=ERROR pid-file=/x'],
  ['glusterfs', 's:v', plain, 'log-level=*'],
  ['glusterfs', 's:v', `${volumes}/a b`, ''],
];

test.serial(
  'what a helper would take for something else is refused in one line, and no helper runs',
  async (t) => {
    await using node = await ScratchNode.prepared();
    await node.shell(`mkdir -p ${plain} '${volumes}/a b'`);
    for (const [type, source, target, options] of refused) {
      const ran = await call(node, type, source, target, options);
      refusedInWords(t, ran);
      t.is(ran.argv, undefined, JSON.stringify([source, options]));
      t.notRegex(ran.stderr, /hunter2/);
    }
    for (const bytes of ['\\377', '\\303', '\\355\\240\\200', '\\300\\256\\300\\256']) {
      const script = `exec strace -f -o /tmp/trace -e trace=execve ${installedMounter} mount -t nfs "127.0.0.1:/$(printf '${bytes}')" ${plain}`;
      refusedInWords(t, await node.run(['sh', '-c', script]));
      t.notRegex(node.read('/tmp/trace'), /execve\(.*mount\.nfs/, bytes);
    }
    t.is((await node.run(['ls', '/run/evil'])).status, 2);
    t.notRegex(node.read('/var/log/containerized-mounter/mounter.log'), /hunter2/);
  },
);

test.serial(
  'GlusterFS: names that its shell takes literally reach helper and daemon as they are',
  async (t) => {
    await using server = await startGlusterServer({ volumes: ['v1'] });
    await using node = await ScratchNode.prepared({ enterNetwork: server.enter });
    const first = `${kubeletDirectory}/pods/u/volumes/kubernetes.io~glusterfs/first`;
    await node.shell(`mkdir -p ${first}`);
    t.is((await call(node, 'glusterfs', `${server.address}:v1`, first, '')).status, 0);
    for (const name of ['a,b', `it's"quoted"`, '$(evil);`x`|&<>#~!', '-o', '․․', 'é\u0301']) {
      const [source, target] = [`${server.address}:v1/${name}`, `${first}-${name}`];
      mkdirSync(node.path(target));
      await node.run(['mkdir', '--', `${first}/${name}`]);
      const { status, stderr, argv } = await call(node, 'glusterfs', source, target, 'log-level=ERROR');
      const log = `log-file=/var/log/glusterfs/${target.slice(1).replaceAll('/', '-')}.log`;
      t.deepEqual(argv, [source, `${target}/`, '-o', `log-level=ERROR,${log}`], stderr);
      const daemon = node
        .processesOf('glusterfs')
        .find(({ commandLine }) => commandLine.at(-1) === `${target}/`);
      t.is(daemon !== undefined, status === 0, `${name}: ${stderr}`);
      if (daemon !== undefined) t.true(daemon.commandLine.includes(`--subdir-mount=/${name}`), name);
      t.is(node.entriesOf(target).length, status === 0 ? node.entriesPerVolume : 0);
    }
  },
);
