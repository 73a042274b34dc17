import test from 'ava';
import { MounterError } from '../../../src/errors.ts';
import { parseReference } from '../../../src/image/reference.ts';

const digest = `sha256:${'0123456789abcdef'.repeat(4)}`;

const references: readonly (readonly [
  word: string,
  registry: string,
  repository: string,
  tag: string | undefined,
  digest: string | undefined,
])[] = [
  ['registry.example/tools', 'registry.example', 'tools', 'latest', undefined],
  ['registry.example/tools:v3', 'registry.example', 'tools', 'v3', undefined],
  ['registry.example:5000/team/tools:v3', 'registry.example:5000', 'team/tools', 'v3', undefined],
  [`registry.example/tools@${digest}`, 'registry.example', 'tools', undefined, digest],
  [`registry.example/tools:v3@${digest}`, 'registry.example', 'tools', 'v3', digest],
  ['localhost/tools', 'localhost', 'tools', 'latest', undefined],
  ['localhost:5000/a/b/c:1.2_3-x', 'localhost:5000', 'a/b/c', '1.2_3-x', undefined],
  ['127.0.0.1:5000/tools', '127.0.0.1:5000', 'tools', 'latest', undefined],
  ['[::1]:5000/tools', '[::1]:5000', 'tools', 'latest', undefined],
  ['docker.io/debian', 'docker.io', 'library/debian', 'latest', undefined],
  ['docker.io/team/tools:v1', 'docker.io', 'team/tools', 'v1', undefined],
  ['registry.example/a__b/c-d--e/f.g:V1', 'registry.example', 'a__b/c-d--e/f.g', 'V1', undefined],
];
for (const [word, registry, repository, tag, wanted] of references) {
  test(`${word} is ${repository} in ${registry}`, (t) => {
    t.deepEqual(parseReference(word), { registry, repository, tag, digest: wanted });
  });
}

const refused: readonly (readonly [word: string, message: RegExp, hint: RegExp])[] = [
  ['debian', /names no registry/, /docker\.io\/library\/debian$/],
  ['debian:12', /names no registry/, /docker\.io\/library\/debian:12$/],
  ['team/tools:v1', /names no registry/, /docker\.io\/team\/tools:v1$/],
  ['rootfs.tar.zst', /no such file/, /check the path/],
  ['dist/rootfs.tar', /no such file/, /check the path/],
  ['', /names no registry/, /name a file/],
  ['registry.example/Tools', /no name of an image/, /lower case/],
  ['registry.example/', /no name of an image/, /named registry/],
  ['registry.example/a//b', /no name of an image/, /named registry/],
  ['registry.example/../etc', /no name of an image/, /named registry/],
  ['registry.example/tools:', /no name of an image/, /named registry/],
  ['registry.example/tools:a b', /no name of an image/, /named registry/],
  [`registry.example/tools:${'t'.repeat(129)}`, /no name of an image/, /named registry/],
  [`registry.example/${'a/'.repeat(200)}b`, /no name of an image/, /named registry/],
  ['user:secret@registry.example/tools', /no name of an image/, /named registry/],
  ['registry.example/tools@sha256:0123', /the digest sha256:0123 is not/, /from the registry/],
  [`registry.example/tools@${digest.toUpperCase()}`, /is not sha256: and 64/, /from the registry/],
  [`registry.example/tools@md5:${'0'.repeat(32)}`, /is not sha256/, /from the registry/],
  ['registry.example\n/tools', /no registry|no name/, /name/],
];
for (const [word, message, hint] of refused) {
  test(`refused: ${JSON.stringify(word.slice(0, 60))}`, (t) => {
    const error = t.throws(() => parseReference(word), { instanceOf: MounterError, message });
    t.is(error.status, 1);
    t.regex(error.hint ?? '', hint);
  });
}
