import { lstatSync, mkdirSync, mkdtempSync, readlinkSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import test from 'ava';
import { isOffered, makeLink, makeTarget, mountTargetOf } from '../../../src/kubelet/mount-target.ts';

const images: string[] = [];
test.after.always(() => {
  for (const root of images) rmSync(root, { recursive: true, force: true });
});

/** @param tree path → `/` for a directory, `-> TARGET` for a symlink, else the content. */
function image(tree: Readonly<Record<string, string>>): string {
  const root = mkdtempSync(join(tmpdir(), 'mount-target-'));
  images.push(root);
  for (const [path, content] of Object.entries(tree)) {
    mkdirSync(dirname(root + path), { recursive: true });
    if (content === '/') mkdirSync(root + path, { recursive: true });
    else if (content.startsWith('-> ')) symlinkSync(content.slice(3), root + path);
    else writeFileSync(root + path, content);
  }
  return root;
}

const directories: readonly (readonly [
  path: string,
  tree: Readonly<Record<string, string>>,
  target: string,
])[] = [
  ['/proc', {}, '/proc'],
  ['/lib/modules', { '/lib': '-> usr/lib', '/usr/lib': '/' }, '/usr/lib/modules'],
  ['/var/run', { '/var/run': '-> /run' }, '/run'],
  ['/var/log', { '/var': '-> ../../../../data' }, '/data/log'],
  ['/a/b', { '/a': '-> b', '/b': '-> c/./d/../e' }, '/c/e/b'],
  ['/run/user', { '/run/user': '-> /etc' }, '/run/user'],
];
for (const [path, tree, target] of directories) {
  test(`directory ${path} of ${JSON.stringify(tree)}`, (t) => {
    t.deepEqual(mountTargetOf(image(tree), path, true, ['/run']), { path: target, replaced: undefined });
  });
}

const files: readonly (readonly [
  title: string,
  tree: Readonly<Record<string, string>>,
  path: string,
  replaced: boolean,
])[] = [
  ['nothing there', {}, '/etc/x', false],
  ['a file', { '/etc/x': 'x' }, '/etc/x', false],
  ['a symlink to a file of the image', { '/etc/x': '-> ../usr/x', '/usr/x': 'x' }, '/usr/x', false],
  ['a symlink to nowhere', { '/etc/x': '-> /no/x' }, '/etc/x', true],
  ['a symlink into what is offered', { '/etc/x': '-> /run/x' }, '/etc/x', true],
  ['the same, with a file of the image there', { '/etc/x': '-> /run/x', '/run/x': 'x' }, '/etc/x', true],
  ['a symlink in another directory', { '/etc': '-> conf', '/conf/x': '-> /run/x' }, '/conf/x', true],
];
for (const [title, tree, path, replaced] of files) {
  test(`file: ${title}`, (t) => {
    const root = image(tree);
    const target = mountTargetOf(root, '/etc/x', false, ['/run']);
    t.deepEqual(target, { path, replaced: replaced ? path : undefined });
    t.is(makeTarget(root, target, false), replaced || title === 'nothing there');
    t.true(lstatSync(root + path).isFile());
    t.deepEqual(mountTargetOf(root, '/etc/x', false, ['/run']), { path, replaced: undefined }, 'settled');
    t.false(makeTarget(root, { path, replaced: undefined }, false), 'made once');
  });
}

test('symlinks in circles, and ways through a file', (t) => {
  t.throws(() => mountTargetOf(image({ '/a': '-> b', '/b': '-> a' }), '/a', true, []), {
    message: /in circles/,
  });
  t.throws(() => mountTargetOf(image({ '/a': 'file' }), '/a/b', true, []), { message: /is not a directory/ });
});

test('a file where a directory is to be, and the other way round', (t) => {
  const root = image({ '/file': 'x', '/directory': '/' });
  const target = (path: string) => ({ path, replaced: undefined });
  t.throws(() => makeTarget(root, target('/file'), true), { message: /is not a directory in the image/ });
  t.throws(() => makeTarget(root, target('/directory'), false), { message: /is not a file in the image/ });
  t.throws(() => makeLink(root, '/directory', '/run/x', ['/run']), { message: /is not a file in the image/ });
});

test('a link is made once, over a file or another link', (t) => {
  for (const tree of [{}, { '/etc/x': 'x' }, { '/etc/x': '-> /else' }] as const) {
    const root = image(tree);
    t.true(makeLink(root, '/etc/x', '/run/x', ['/run']));
    t.is(readlinkSync(`${root}/etc/x`), '/run/x');
    t.false(makeLink(root, '/etc/x', '/run/x', ['/run']));
  }
  const relative = image({ '/etc/x': '-> ../run/x' });
  t.false(makeLink(relative, '/etc/x', '/run/x', ['/run']), "the image's own will do");
});

test('offered: at a directory or below it, not beside it', (t) => {
  t.deepEqual(
    ['/run', '/run/x', '/runx', '/'].map((path) => isOffered(path, ['/run'])),
    [true, true, false, false],
  );
});
