import { copyFileSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import { frontProgram } from '../support/front/front-program.ts';
import { kubeletDirectory, ScratchNode, shared } from '../support/node/namespace.ts';

/**
 * What the front's C does for a mount, step by step and watched by the compiler's sanitizers: places apart,
 * guardians, what a helper is run with.
 */

const target = `${kubeletDirectory}/pods/volume`;
const pin = '/run/pin';

/** A node with a mount namespace pinned for helpers, which has all that the node has. */
async function pinnedNode(): Promise<ScratchNode> {
  const node = await ScratchNode.start();
  copyFileSync(await frontProgram('mounting'), `${node.sharedDirectory}/mounting`);
  await node.shell(`
    mkdir -p ${target} ${kubeletDirectory}/logs
    mount -t tmpfs tmpfs /mnt/etc; mount --make-private /mnt/etc; touch /mnt/etc/pin; ln -s /mnt/etc/pin ${pin}
    # The kernel refuses where the processor numbers namespaces lower than the one that we are in.
    for try in $(seq 200); do unshare --mount=/mnt/etc/pin --propagation private true 2>/dev/null && break; done
    cd ${kubeletDirectory}/logs
    ln -s /etc/passwd symlink; mkfifo pipe; mkdir directory shared group; echo content >file
    chmod 1777 shared; chmod 0775 group; chgrp 1 group`);
  return node;
}

async function run(node: ScratchNode, ...steps: readonly string[]): Promise<readonly unknown[]> {
  const { status, stdout, stderr } = await node.run([...program, ...steps], { environment });
  const fault = stderr.replace(strangeStack, '');
  if (status !== 0 || fault !== '') throw new Error(`status ${status}: ${fault}`);
  return stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
}

const program = [`${shared}/mounting`, pin, kubeletDirectory, target];

/** It ends by _exit(2), when nothing has to be free. */
const environment = { ASAN_OPTIONS: 'detect_leaks=0' };

/** A child that goes to another mount namespace has a stack that the sanitizer does not know, and says so. */
const strangeStack = /^==\d+==WARNING: ASan is ignoring requested __asan_handle_no_return.*\n.*\n.*\n/gm;

async function settled(node: ScratchNode): Promise<void> {
  for (let look = 0; look < 2400 && node.processes().length > 0; look += 1) await setTimeout(25);
}

async function nothingLeft(t: ExecutionContext, node: ScratchNode): Promise<void> {
  t.deepEqual(node.entriesOf(target), []);
  await settled(node);
  t.deepEqual(node.processes(), []);
}

/** Steps after which nothing is left. */
const cases: readonly (readonly [title: string, step: string, expected: unknown])[] = [
  ['attaching where nothing is mounted apart is an error', 'nothingMounted', ['EINVAL', false]],
  ['a target that has been removed is one, too', 'targetRemoved', ['ENOENT', false]],
  ['a daemon that is not to stay ends, with all that it has started', 'daemonEnded', [2, 0, true, false]],
  ['with its mount, where that is on the host', 'daemonEndedOnHost', [true, 0, false]],
  ['one whose mount cannot be attached can be ended', 'daemonNotAttached', ['EINVAL', [], 0, false]],
  [
    'a guardian that does not answer is ended at the limit, with what it has held',
    'guardianStopped',
    [2, 'stopped', [], 0, false, 0],
  ],
  ['one that is killed leaves no daemon, whatever the call does meanwhile', 'guardianKilled', [2, 0, true]],
  ['a helper that ignores SIGTERM ends with its daemon', 'deadline', [137, 'deadline', 0, false]],
  [
    'a program that is not there',
    'missing',
    [
      127,
      'nsenter: failed to execute /sbin/mount.none: No such file or directory\n',
      127,
      'nsenter: failed to execute /sbin/mount.none: No such file or directory\n',
    ],
  ],
  [
    'a rootfs that is not there',
    'refusedRoot',
    [125, "chroot: cannot change root directory to '/none': No such file or directory\n"],
  ],
  ['each notice of a helper is heard', 'notice', [0, 2]],
];

for (const [title, step, expected] of cases) {
  test.serial(title, async (t) => {
    await using node = await pinnedNode();
    t.deepEqual(await run(node, step), [expected]);
    await nothingLeft(t, node);
  });
}

test.serial('mounted apart, and on the host when it is attached', async (t) => {
  await using node = await pinnedNode();
  t.deepEqual(await run(node, 'attach'), [[0, false, true, null, true]]);
  t.is(node.entriesOf(target).length, 1);
  await settled(node);
  t.deepEqual(node.processes(), []);
});

for (const [step, expected] of [
  ['daemonAttached', [0, null, 1, true, 2]],
  ['daemonReleased', [null, 1, true, 2]],
] as const) {
  test.serial(
    `${step}: a daemon goes on by itself, its mount stays, and nobody watches any more`,
    async (t) => {
      await using node = await pinnedNode();
      t.deepEqual(await run(node, step), [expected]);
      t.is(node.entriesOf(target).length, 1);
      const left = node.processes().map(({ commandLine }) => commandLine[0]);
      t.deepEqual(left.sort(), ['sh', 'sleep', 'sleep']);
    },
  );
}

for (const step of ['daemonKept', 'daemonKeptOnHost']) {
  test.serial(`${step}: SIGKILL of the caller leaves neither a daemon nor a mount`, async (t) => {
    await using node = await pinnedNode();
    await node.shell(`ASAN_OPTIONS=detect_leaks=0 ${program.join(' ')} ${step} >/run/out 2>/dev/null & call=$!
      # Not by the name of sleep alone: the caller counts by it, and may have counted the one of this loop.
      until grep -q ready /run/out && [ $(pgrep -c -fx 'sleep 1000') -eq 2 ]; do sleep 0.02; done
      kill -KILL $call`);
    await settled(node);
    t.deepEqual(node.entriesOf(target), []);
    t.deepEqual(node.processes(), []);
  });
}

test.serial(
  'a helper has the capabilities that it is to have, and no others, also as another user',
  async (t) => {
    await using node = await pinnedNode();
    const [[status, ...lines]] = (await run(node, 'privileges')) as [readonly [number, ...string[]]];
    t.is(status, 0);
    const value = (name: string) => lines.find((line) => line.startsWith(`${name}:`))?.replace(/^\S+\s*/, '');
    t.is(value('Uid'), '12345\t12345\t12345\t12345');
    t.is(value('Gid'), '54321\t54321\t54321\t54321');
    t.is(value('Groups'), '');
    t.is(value('NoNewPrivs'), '1');
    const both = ((1n << 21n) | (1n << 10n)).toString(16).padStart(16, '0');
    for (const name of ['CapPrm', 'CapEff', 'CapBnd', 'CapAmb']) t.is(value(name), both, name);
    // 0, 1, 2, and the directory that ls reads.
    t.deepEqual(lines.slice(-4), ['4', '0022', '/', '']);
  },
);

test.serial(
  'a caller that lacks what it takes to give them away is told so, and nothing is run',
  async (t) => {
    await using node = await pinnedNode();
    const without = ['setpriv', '--bounding-set=-setpcap', '--inh-caps=-setpcap'];
    const { stdout } = await node.run([...without, ...program, 'privileges'], { environment });
    t.deepEqual(JSON.parse(stdout), [
      125,
      'nsenter: cannot enter the mount namespace of the call: Operation not permitted',
      '',
    ]);
  },
);

test.serial('one file of the host is there, and what else is in its directory is not', async (t) => {
  await using node = await pinnedNode();
  const [[lines, end]] = (await run(node, 'log')) as [readonly [readonly string[], string]];
  t.deepEqual(lines, [`${kubeletDirectory}/logs`, `${kubeletDirectory}/pods`, 'own', '12345', '12345', '']);
  t.is(end, 'written\n');
  t.is(await node.shell(`stat -c '%u %a' ${kubeletDirectory}/logs/volume.log`), '12345 600\n');
  await nothingLeft(t, node);
});

test.serial('a target as deep as a path can be', async (t) => {
  await using node = await pinnedNode();
  const deep = `${kubeletDirectory}${'/d'.repeat(1500)}`;
  await node.shell(`mkdir -p ${deep}`);
  const { stdout, stderr } = await node.run([...program.slice(0, -1), deep, 'attach'], { environment });
  t.is(stdout, '[0,false,true,null,true]\n', stderr);
});

test.serial('plain files alone are opened and read: no symlink, pipe or directory', async (t) => {
  await using node = await pinnedNode();
  t.deepEqual(await run(node, 'plainFiles'), [
    [
      [false, null],
      [false, null],
      [false, null],
      [true, ''],
      [true, 'content\n'],
    ],
  ]);
});

test.serial('what a directory is, and who else can write in it', async (t) => {
  await using node = await pinnedNode();
  t.deepEqual(await run(node, 'statuses'), [
    [
      ['symlink', false, true],
      ['other', true, true],
      ['directory', true, true],
      ['directory', false, true],
      ['directory', false, true],
    ],
  ]);
});

test.serial('a directory answers; a FUSE mount without a daemon is dead', async (t) => {
  await using node = await pinnedNode();
  t.deepEqual(await run(node, 'alive'), ['alive']);
  await node.mountGlusterfs('volume');
  t.deepEqual(await run(node, 'alive'), ['dead']);
  await node.shell(`umount ${target}`);
  await nothingLeft(t, node);
});

test.serial('a target is locked by one process, until that ends', async (t) => {
  await using node = await pinnedNode();
  t.deepEqual(await run(node, 'lock'), [[true, true, true]]);
  const call = program.join(' ');
  const output = await node.shell(`export ASAN_OPTIONS=detect_leaks=0
    ${call} lock sleep >/run/out & holder=$!
    until grep -q true /run/out; do sleep 0.02; done
    ${call} lockOther
    kill -KILL $holder; wait $holder || :
    ${call} lockOther`);
  t.is(output, '[false,true]\n[true,true]\n');
  t.is(
    await node.shell('stat -c %a /run/containerized-mounter/locks /run/containerized-mounter/locks/targets'),
    '700\n600\n',
  );
});

test.serial('where the file of locks cannot be made, the directory of the target is locked', async (t) => {
  await using node = await pinnedNode();
  await node.shell('echo >/run/containerized-mounter');
  const call = program.join(' ');
  const output = await node.shell(`export ASAN_OPTIONS=detect_leaks=0
    ${call} lock sleep >/run/out & holder=$!
    until grep -q true /run/out; do sleep 0.02; done
    ${call} lockOther
    kill -KILL $holder; wait $holder || :
    ${call} lockOther`);
  t.is(output, '[false,false]\n[true,true]\n');
});
