import test from 'ava';
import type { ImageRecord } from '../../../src/image/versions/image-record.ts';
import { argvBytes, kubeletCommand, rootDirectoryFlag } from '../../../src/kubelet/command-line.ts';
import { parseHostRoot } from '../../../src/kubelet/offer.ts';

const record: ImageRecord = {
  formatVersion: 1,
  digest: 'sha256:0',
  entrypoint: ['kubelet'],
  cmd: ['--help'],
  env: ['PATH=/image/bin', 'LANG=C=x', 'EMPTY=', 'none'],
  workingDirectory: '/work',
};
const argvOf = (words: readonly string[], image: Partial<ImageRecord> | undefined) =>
  kubeletCommand(words, image === undefined ? undefined : { ...record, ...image }, {}, '/opt/k').argv;

const commands: readonly (readonly [
  title: string,
  words: readonly string[],
  image: Partial<ImageRecord> | undefined,
  argv: readonly string[],
])[] = [
  ["nothing said: the image's own", [], {}, ['kubelet', '--help']],
  ['flags take the place of its flags', ['--v=2', 'x'], {}, ['kubelet', '--v=2', 'x']],
  ['a command of its own', ['/bin/sh', '-c', ':'], {}, ['/bin/sh', '-c', ':']],
  [
    'Cmd alone',
    ['--v=2'],
    { entrypoint: [], cmd: ['/hyperkube', 'kubelet', '--a'] },
    ['/hyperkube', 'kubelet', '--v=2'],
  ],
  [
    'an entrypoint that starts another',
    ['--v=2'],
    { entrypoint: ['tini', '--'], cmd: ['kubelet'] },
    ['tini', '--', 'kubelet', '--v=2'],
  ],
  ['no image, a command', ['kubelet'], undefined, ['kubelet']],
];
for (const [title, words, image, argv] of commands) {
  test(`command: ${title}`, (t) => t.deepEqual(argvOf(words, image), argv));
}

for (const [title, words, image] of [
  ['nothing at all', [], undefined],
  ['flags for nobody', ['--v=2'], undefined],
  ['an image that names none', ['--v=2'], { entrypoint: [], cmd: [] }],
  ['an image with flags alone', [], { entrypoint: [], cmd: ['--v=2'] }],
] as const) {
  test(`command: ${title} is a usage error`, (t) => {
    t.throws(() => argvOf(words, image), { message: /no command is given, and none is known of the image/ });
  });
}

test("the caller's variables win; the image's PATH is looked into first", (t) => {
  const command = kubeletCommand([], record, { PATH: '/host/bin', EMPTY: 'mine' }, '/opt/k');
  t.deepEqual([...command.environment], [['LANG', 'C=x']]);
  t.is(command.path, '/image/bin:/host/bin');
  t.is(command.workingDirectory, '/work');
});

test("a flag of ours is passed on to the image's own command, before the flags that are given, and to no other", (t) => {
  const passed = ['--root-dir=/data'];
  const argv = (words: readonly string[]) => kubeletCommand(words, record, {}, '/opt/k', passed).argv;
  t.deepEqual(argv(['--v=2']), ['kubelet', '--root-dir=/data', '--v=2']);
  t.deepEqual(argv(['/bin/sh', '-c', ':']), ['/bin/sh', '-c', ':']);
});

test('an image that says nothing gets the usual PATH', (t) => {
  const command = kubeletCommand(['x'], undefined, {}, '/opt/k');
  t.is(command.environment.get('PATH'), '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin');
  t.is(command.workingDirectory, '/');
});

for (const [words, expected] of [
  [['--root-dir=/a'], '/a'],
  [['--v=2', '--root-dir', '/a', '--x'], '/a'],
  [['-root-dir=/a'], '/a'],
  [['--root-dir=/a', '--root-dir=/b'], '/b'],
  [['--root-dirs=/a', 'root-dir'], undefined],
  [['--root-dir'], undefined],
] as const) {
  test(`--root-dir of ${words.join(' ')}`, (t) => t.is(rootDirectoryFlag(words), expected));
}

for (const [word, rootfs, propagation] of [
  ['/host', '/host', 'slave'],
  ['/host:slave', '/host', 'slave'],
  ['/mnt/host:shared', '/mnt/host', 'shared'],
] as const) {
  test(`--host-root ${word}`, (t) =>
    t.like(parseHostRoot(word), { host: '/', rootfs, propagation, type: 'rbind' }));
}

for (const word of [
  '',
  '/',
  'host',
  '/host/',
  '/a//b',
  '/a/../b',
  '/host:',
  '/host:private',
  '/host:shared:slave',
  ':shared',
]) {
  test(`--host-root ${JSON.stringify(word)} is a usage error`, (t) => {
    t.throws(() => parseHostRoot(word), { name: 'MounterError' });
  });
}

test("the caller's words stay the bytes that they are, behind those of the image", (t) => {
  const own = ['mounter', 'kubelet', '--', '--a'].map((word) => Buffer.from(word));
  const latin = Buffer.from([0x63, 0x61, 0x66, 0xe9]);
  const command = kubeletCommand(['--a', 'caf\ufffd'], record, {}, '/opt/k');
  const argv = argvBytes(command, [...own, latin]);
  t.deepEqual(argv.slice(-2), [Buffer.from('--a'), latin]);
  t.deepEqual(argv.slice(0, -2).map(String), command.argv.slice(0, -2));
  const itself = kubeletCommand([], record, {}, '/opt/k');
  t.deepEqual(argvBytes(itself, own).map(String), itself.argv);
});
