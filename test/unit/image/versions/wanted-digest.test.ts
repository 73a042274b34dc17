import test from 'ava';
import { MounterError } from '../../../../src/errors.ts';
import type { ImageContent } from '../../../../src/image/content.ts';
import { requireDigest } from '../../../../src/image/versions/wanted-digest.ts';
import { manifest } from '../../../support/model/node-model.ts';

const digestOf = (digit: string) => `sha256:${digit.repeat(64)}`;
const config = {
  architecture: 'amd64',
  os: 'linux',
  labels: {},
  entrypoint: [],
  cmd: [],
  env: [],
  workingDirectory: '',
};
const image: ImageContent = { digest: digestOf('1'), reference: 'r.example/tools:v3', layers: [], config };
const tar: ImageContent = { ...image, config: undefined };

const pinning = (rootfs: object) => ({
  path: '/m.json',
  text: '',
  manifest: { ...manifest, rootfs: { ...manifest.rootfs, ...rootfs } },
});

const check = (content: ImageContent, rootfs?: object, fetch = {}) =>
  requireDigest(content, {
    source: 'x',
    fetch,
    manifest: rootfs === undefined ? undefined : pinning(rootfs),
  });

test('an image that the manifest pins for its architecture has to be that one', (t) => {
  t.notThrows(() => check(image, { image: { amd64: digestOf('1') } }));
  t.notThrows(() => check(image, { image: { arm64: digestOf('2') } }), 'another architecture');
  t.notThrows(() => check(image, {}));
  t.notThrows(() => check(image));
  const error = t.throws(() => check(image, { image: { amd64: digestOf('2') } }), {
    instanceOf: MounterError,
  });
  t.is(error?.subject, 'r.example/tools:v3');
  t.is(error?.status, 2);
  t.regex(error?.hint ?? '', /@sha256:2222/);
});

test('a plain tar has to be what the manifest says, or what --digest said', (t) => {
  t.notThrows(() => check(tar, { digest: digestOf('1') }));
  t.notThrows(() => check(tar, undefined, { expectedDigest: digestOf('1') }));
  for (const rootfs of [{ digest: digestOf('2') }, { digest: undefined }, undefined]) {
    t.throws(() => check(tar, rootfs), { instanceOf: MounterError });
  }
});

test("of a manifest for several architectures the digest of this machine's counts", (t) => {
  const [own, other] = process.arch === 'arm64' ? ['arm64', 'amd64'] : ['amd64', 'arm64'];
  t.notThrows(() => check(tar, { digest: { [own]: digestOf('1'), [other]: digestOf('2') } }));
  t.throws(() => check(tar, { digest: { [own]: digestOf('2'), [other]: digestOf('1') } }));
  t.throws(() => check(tar, { digest: { [other]: digestOf('1') } }), { message: /has no rootfs\.digest/ });
});
