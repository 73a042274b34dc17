import test from 'ava';
import { type Challenge, parseChallenges } from '../../../../src/image/registry/authorization.ts';

const realm = 'https://auth.example/token';
const headers: Readonly<Record<string, readonly Challenge[]>> = {
  '': [],
  'Basic realm="a registry"': [{ scheme: 'basic', parameters: { realm: 'a registry' } }],
  [`Bearer realm="${realm}",service="registry.example",scope="repository:a/b:pull,push"`]: [
    {
      scheme: 'bearer',
      parameters: { realm, service: 'registry.example', scope: 'repository:a/b:pull,push' },
    },
  ],
  [`bearer  Realm = "${realm}" , service=plain.example`]: [
    { scheme: 'bearer', parameters: { realm, service: 'plain.example' } },
  ],
  [`Basic realm="x", Bearer realm="${realm}"`]: [
    { scheme: 'basic', parameters: { realm: 'x' } },
    { scheme: 'bearer', parameters: { realm } },
  ],
  'Negotiate, Basic realm="with \\"quotes\\", and a comma"': [
    { scheme: 'negotiate', parameters: {} },
    { scheme: 'basic', parameters: { realm: 'with "quotes", and a comma' } },
  ],
  'realm="of nothing"': [],
  'Basic __proto__="x",constructor="y",realm="z"': [{ scheme: 'basic', parameters: { realm: 'z' } }],
  'Basic realm="cut': [
    { scheme: 'basic', parameters: {} },
    { scheme: 'realm', parameters: {} },
  ],
};
for (const [header, challenges] of Object.entries(headers)) {
  test(`WWW-Authenticate: ${header}`, (t) => {
    t.deepEqual(parseChallenges(header), challenges);
  });
}

test('a header made to take time takes none', (t) => {
  t.notThrows(() => parseChallenges(`Bearer ${'a='.repeat(8_000)}"${'\\'.repeat(8_000)}`));
  t.notThrows(() => parseChallenges(`Bearer ${' '.repeat(16_000)}`));
});
