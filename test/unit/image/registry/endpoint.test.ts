import test from 'ava';
import { addressOf, addressOfEntry, mirrorAddress } from '../../../../src/image/registry/endpoint.ts';
import { retryAfterMs } from '../../../../src/image/registry/failure.ts';
import { parseHostsToml } from '../../../../src/image/registry/hosts-toml.ts';
import { isLoopback } from '../../../../src/image/registry/proxy.ts';
import { bodyRange } from '../../../../src/image/registry/receive.ts';

test('mirrors', (t) => {
  const place = (mirror: string) => mirrorAddress(mirror, 'team/tools');
  const repository = 'team/tools';
  const ordinary = { root: '/v2', query: '' };
  t.deepEqual(place('m.example'), { host: 'm.example', protocol: undefined, repository, ...ordinary });
  t.deepEqual(place('m.example:5000/'), {
    host: 'm.example:5000',
    protocol: undefined,
    repository,
    ...ordinary,
  });
  t.deepEqual(place('https://m.example/cache/hub'), {
    host: 'm.example',
    protocol: 'https:',
    repository: 'cache/hub/team/tools',
    ...ordinary,
  });
  t.deepEqual(place('http://[::1]:5000'), { host: '[::1]:5000', protocol: 'http:', repository, ...ordinary });
  for (const mirror of ['', 'ftp://m.example', 'https://me:secret@m.example', 'm.example/../x y', 'a b'])
    t.throws(() => place(mirror), { message: 'is no place of a mirror' }, mirror);
});

test('hosts of a hosts.toml', (t) => {
  const reference = { registry: 'docker.io', repository: 'library/a', tag: 'b', digest: undefined };
  const place = (text: string) => {
    const [entry] = parseHostsToml(text, '/');
    return entry === undefined ? undefined : addressOfEntry(entry, reference);
  };
  const repository = 'library/a';
  const mirror = { host: 'm.example:5000', root: '/v2', repository, query: '?ns=docker.io' };
  t.deepEqual(place('[host."http://m.example:5000"]'), { ...mirror, protocol: 'http:' });
  t.deepEqual(place('[host."http://m.example:5000"]\nskip_verify = false'), {
    ...mirror,
    protocol: undefined,
  });
  const hub = { host: 'registry-1.docker.io', repository, query: '' };
  t.deepEqual(place('server = "https://registry-1.docker.io"'), { ...hub, root: '/v2', protocol: 'https:' });
  t.deepEqual(place('skip_verify = true'), { ...hub, root: '/v2', protocol: undefined });
});

test("Docker Hub's registry", (t) => {
  const place = addressOf({ registry: 'docker.io', repository: 'library/a', tag: 'b', digest: undefined });
  t.is(place.host, 'registry-1.docker.io');
});

test('loopback', (t) => {
  for (const host of ['localhost', 'localhost:5000', '127.0.0.1', '127.9.9.9:1', '[::1]:5000', 'LOCALHOST'])
    t.true(isLoopback(host), host);
  for (const host of [
    'registry.example',
    '127.0.0.1.example',
    'localhost.example',
    '10.0.0.1',
    '[::2]',
    '128.0.0.1',
  ])
    t.false(isLoopback(host), host);
});

test('Retry-After', (t) => {
  t.is(retryAfterMs(undefined), 0);
  t.is(retryAfterMs('2'), 2000);
  t.is(retryAfterMs('Wed, 21 Oct 2026 07:28:03 GMT', Date.parse('2026-10-21T07:28:00Z')), 3000);
  t.is(retryAfterMs('Wed, 21 Oct 2026 07:28:03 GMT', Date.parse('2026-10-21T07:29:00Z')), 0);
  t.is(retryAfterMs('soon'), 0);
});

test('where a body begins', (t) => {
  t.deepEqual(bodyRange(200, { 'content-length': '10' }), { start: 0, total: 10 });
  t.deepEqual(bodyRange(200, {}), { start: 0, total: undefined });
  t.deepEqual(bodyRange(206, { 'content-range': 'bytes 5-9/10' }), { start: 5, total: 10 });
  t.deepEqual(bodyRange(206, { 'content-range': 'bytes 5-9/*' }), { start: 5, total: undefined });
  t.is(bodyRange(206, {}), undefined);
  t.is(bodyRange(416, { 'content-range': 'bytes */10' }), undefined);
});
