import test from 'ava';
import { replaceRootfs } from '../../../../scripts/rootfs/manifest-text.ts';
import type { Manifest } from '../../../../src/manifest/manifest.ts';

const rootfs: Manifest['rootfs'] = {
  name: 'tools',
  suite: 'bookworm',
  architecture: 'amd64',
  include: ['dash'],
  packages: [{ name: 'dash', version: '0.5', sha256: 'a'.repeat(64) }],
  files: [],
  optional: { generic: { include: ['a', 'b'], packages: [], files: ['usr/bin/a'] } },
  exclude: [],
};

const text = `{
  "formatVersion": 1,
  "rootfs": { "name": "a } brace \\" and a quote", "nested": { "x": [] } },
  "filesystems": {  "kept":   "as written" }
}
`;

test('only the section rootfs is replaced; all else keeps its bytes', (t) => {
  const replaced = replaceRootfs(text, rootfs);
  t.true(replaced.startsWith('{\n  "formatVersion": 1,\n  "rootfs": {\n    "name": "tools",\n'));
  t.true(replaced.endsWith('  },\n  "filesystems": {  "kept":   "as written" }\n}\n'));
  t.deepEqual(JSON.parse(replaced).rootfs, rootfs);
});

test('a package of several architectures is one line, too', (t) => {
  const sha256 = { amd64: 'a'.repeat(64), arm64: 'b'.repeat(64) };
  const lines = replaceRootfs(text, {
    ...rootfs,
    packages: [{ name: 'dash', version: '0.5', sha256 }],
  }).split('\n');
  const digests = `{ "amd64": "${sha256.amd64}", "arm64": "${sha256.arm64}" }`;
  t.true(lines.includes(`      { "name": "dash", "version": "0.5", "sha256": ${digests} }`));
});

test('a package is one line', (t) => {
  const line = `      { "name": "dash", "version": "0.5", "sha256": "${'a'.repeat(64)}" }`;
  t.true(replaceRootfs(text, rootfs).split('\n').includes(line));
});

test('what is optional is written in lines, too', (t) => {
  const lines = replaceRootfs(text, rootfs).split('\n');
  for (const line of [
    '    "optional": {',
    '      "generic": {',
    '          "usr/bin/a"',
    '        "packages": [],',
  ])
    t.true(lines.includes(line), line);
});

test('replacing twice is the same as once', (t) => {
  const once = replaceRootfs(text, rootfs);
  t.is(replaceRootfs(once, rootfs), once);
});
