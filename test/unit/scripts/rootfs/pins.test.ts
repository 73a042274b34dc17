import test from 'ava';
import { mergePins, ofArchitecture, withDigest, withPins } from '../../../../scripts/rootfs/pins.ts';
import type { Manifest } from '../../../../src/manifest/manifest.ts';

const sha = (digit: string) => digit.repeat(64);
const pin = (name: string, version: string, digit: string) => ({ name, version, sha256: sha(digit) });

const amd64 = [pin('dash', '1', 'a'), pin('libcap2', '2+b1', 'b'), pin('netbase', '3', 'c')];
const arm64 = [pin('dash', '1', 'd'), pin('libcap2', '2', 'e'), pin('netbase', '3', 'c')];
const both: Manifest['rootfs'] = {
  name: 'tools',
  suite: 'trixie',
  architecture: ['amd64', 'arm64'],
  include: ['dash'],
  packages: [
    { name: 'dash', version: '1', sha256: { amd64: sha('a'), arm64: sha('d') } },
    { name: 'libcap2', version: '2+b1', sha256: { amd64: sha('b') } },
    { name: 'libcap2', version: '2', sha256: { arm64: sha('e') } },
    { name: 'netbase', version: '3', sha256: sha('c') },
  ],
  files: [],
  exclude: [],
};

test('a package is one line for all architectures; a version that one alone has, a line of its own', (t) => {
  const merged = mergePins(
    new Map([
      ['amd64', amd64],
      ['arm64', arm64],
    ]),
  );
  t.deepEqual(merged, both.packages);
});

test('each architecture has its own pins of it, and no other', (t) => {
  t.deepEqual(ofArchitecture(both, 'amd64').packages, amd64);
  t.deepEqual(ofArchitecture(both, 'arm64').packages, arm64);
  const single = { ...both, architecture: 'amd64' as const, packages: amd64 };
  t.deepEqual(ofArchitecture(single, 'amd64'), single, "a node's is what it is");
  t.throws(() => ofArchitecture(single, 'arm64'), { message: 'no packages are pinned for arm64' });
});

test('new pins, those of optional kinds among them, are written for each architecture; digests go', (t) => {
  const cifs = (packages: ReturnType<typeof pin>[]) => ({
    cifs: { include: ['cifs-utils'], packages, files: ['usr/sbin/mount.cifs'] },
  });
  const pinned = withPins(
    { ...both, packages: [], optional: cifs([]), digest: { amd64: `sha256:${sha('9')}` } },
    new Map([
      ['amd64', { ...ofArchitecture(both, 'amd64'), optional: cifs([pin('cifs-utils', '7', '1')]) }],
      ['arm64', { ...ofArchitecture(both, 'arm64'), optional: cifs([pin('cifs-utils', '8', '2')]) }],
    ]),
  );
  t.deepEqual(pinned.packages, both.packages);
  t.deepEqual(pinned.optional?.cifs?.packages, [
    { name: 'cifs-utils', version: '7', sha256: { amd64: sha('1') } },
    { name: 'cifs-utils', version: '8', sha256: { arm64: sha('2') } },
  ]);
  t.false('digest' in pinned);
});

test('digests stay where the pins do, so that the architectures can be pinned one after the other', (t) => {
  const digest = { amd64: `sha256:${sha('9')}` };
  const own = (architecture: 'amd64' | 'arm64') =>
    [architecture, ofArchitecture(both, architecture)] as const;
  t.deepEqual(withPins({ ...both, digest }, new Map([own('amd64'), own('arm64')])).digest, digest);
  t.false('digest' in withPins({ ...both, digest }, new Map([own('amd64')])));
});

test('the digest of what was built is written for its architecture; another one stays', (t) => {
  const [first, second] = [`sha256:${sha('1')}`, `sha256:${sha('2')}`];
  const once = withDigest(both, 'amd64', first);
  t.deepEqual(withDigest(once, 'arm64', second).digest, { amd64: first, arm64: second });
  t.is(ofArchitecture(once, 'amd64').digest, first);
  t.false('digest' in ofArchitecture(once, 'arm64'));
  t.is(withDigest({ ...both, architecture: 'amd64' }, 'amd64', first).digest, first);
});
