import test from 'ava';
import type { Judgement } from '../../../src/doctor/finding.ts';
import { judgeKernel, type KernelFiles } from '../../../src/doctor/kernel.ts';
import type { Filesystem } from '../../../src/manifest/manifest.ts';

const nfs: Filesystem = {
  helper: '/sbin/mount.nfs',
  kind: 'nfs',
  kernelFilesystem: 'nfs',
  kernelModule: 'nfs',
  devices: [],
};

const bare: KernelFiles = {
  release: '6.1.0',
  filesystems: 'nodev\tsysfs\nnodev\tnfsd\n\text4\n',
  modules: undefined,
  builtin: undefined,
  isClosed: false,
  modprobe: '/sbin/modprobe',
  hasModprobe: true,
};

const module = 'kernel/fs/nfs/nfs.ko.xz: kernel/fs/lockd/lockd.ko.xz kernel/net/sunrpc/sunrpc.ko.xz\n';

const cases: readonly (readonly [
  title: string,
  files: Partial<KernelFiles>,
  level: Judgement['level'],
  message: RegExp,
])[] = [
  ['listed', { filesystems: 'nodev\tnfs\nnodev\tnfs4\n' }, 'ok', /has this filesystem/],
  ['another of which it is the beginning is listed', {}, 'lacking', /6\.1\.0 has no module nfs$/],
  ['built in', { builtin: 'kernel/fs/nfs/nfs.ko\n' }, 'ok', /built into/],
  ['a module', { modules: module }, 'ok', /loaded by the first mount/],
  [
    'a module that only others need',
    { modules: 'kernel/fs/nfs/nfsv4.ko: kernel/fs/nfs/nfs.ko\n' },
    'lacking',
    /no module/,
  ],
  ['a module, and loading is forbidden', { modules: module, isClosed: true }, 'lacking', /modules_disabled/],
  ['a module, and no modprobe', { modules: module, hasModprobe: false }, 'lacking', /modprobe\(8\)/],
];
for (const [title, files, level, message] of cases) {
  test(`kernel: ${title}`, (t) => {
    const finding = judgeKernel(nfs, { ...bare, ...files });
    t.is(finding.level, level);
    t.regex(finding.message, message);
    t.is(finding.hint === null, level === 'ok');
  });
}

test('a kernel without it: the settings that need not have it are named', (t) => {
  const { hint } = judgeKernel(nfs, bare, ['nfs', 'nfs4']);
  t.regex(
    hint ?? '',
    /; where no volume is of this type, set filesystems\.nfs and filesystems\.nfs4 to null in /,
  );
});

test('a module whose file has a dash in its name', (t) => {
  const filesystem = { ...nfs, kernelFilesystem: 'x', kernelModule: 'a_b' };
  t.is(judgeKernel(filesystem, { ...bare, modules: 'kernel/a-b.ko.zst:\n' }).level, 'ok');
});
