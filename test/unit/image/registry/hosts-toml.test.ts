import test from 'ava';
import { type HostEntry, parseHostsToml } from '../../../../src/image/registry/hosts-toml.ts';

const directory = '/etc/containerd/certs.d/r.example';

function parse(text: string): readonly HostEntry[] {
  return parseHostsToml(text, directory);
}

test("hosts.toml: hosts in the file's order, the server last", (t) => {
  const hosts = parse(`
    server = "https://r.example"
    ca = "own.pem"
    [host."https://z.example:5000"]
      capabilities = ["Pull"]
      skip_verify = true
      ca = ["/etc/ca.pem", "b/c.pem"]
      client = [["client.cert", "client.key"], ["both.pem", ""], "one.pem"]
      dial_timeout = "3s"
      [host."https://z.example:5000".header]
        X-Key = "secret"
        Authorization = ["Basic", "x"]
    [host."http://a.example/cache"]
    [host."b.example/v2/x/"]
      override_path = true
      client = "client.pem"
    [host."https://c.example"]
      override_path = true
  `);
  const at = (name: string) => `${directory}/${name}`;
  t.deepEqual(
    hosts.map(({ place, root }) => `${place?.protocol}//${place?.host} ${root}`),
    [
      'https://z.example:5000 /v2',
      'http://a.example /cache/v2',
      'https://b.example /v2/x',
      'https://c.example ',
      'https://r.example /v2',
    ],
  );
  const [first, second, third, , last] = hosts;
  t.like(first, { capabilities: ['pull'], isUnverified: true, hasTls: true });
  t.deepEqual(first?.headers, { 'x-key': 'secret', authorization: 'Basic, x' });
  t.deepEqual(first?.files, {
    ca: ['/etc/ca.pem', at('b/c.pem')],
    clients: [
      { cert: at('client.cert'), key: at('client.key') },
      { cert: at('both.pem'), key: at('both.pem') },
      { cert: at('one.pem'), key: at('one.pem') },
    ],
  });
  t.like(second, { capabilities: ['pull', 'resolve', 'push'], isUnverified: false, hasTls: false });
  t.deepEqual(third?.files.clients, [{ cert: at('client.pem'), key: at('client.pem') }]);
  t.deepEqual(last?.files.ca, [at('own.pem')]);
});

test('hosts.toml without a server: the registry itself is the last, with what is said of it', (t) => {
  const [mirror, itself, ...none] = parse(
    'skip_verify = true\ncapabilities = ["push"]\n[host."https://m.example"]',
  );
  t.is(mirror?.place?.host, 'm.example');
  t.like(itself, {
    place: undefined,
    root: '/v2',
    isUnverified: true,
    capabilities: ['pull', 'resolve', 'push'],
  });
  t.deepEqual(none, []);
});

const bad: Readonly<Record<string, readonly [text: string, message: RegExp]>> = {
  'no TOML': ['server = "secret\n', /^line 1, column \d+ is no TOML$/],
  'an unknown capability': [
    '[host."https://a"]\ncapabilities = ["secret"]',
    /^host\.https:\/\/a\.capabilities\.0 is not/,
  ],
  'a capability of a URL with a password': [
    '[host."https://me:secret@a"]\ncapabilities = ["x"]',
    /^host\.https:\/\/a\.capabilities\.0 is not/,
  ],
  'a password with a slash in it': ['[host."https://me:secret/2@a"]', /^host\.https:\/\/a is not/],
  'a password without a scheme': ['[host."me:secret/2@a"]', /^host\.a is not/],
  'a number for a file': ['ca = 5', /^ca is not what it should be$/],
  'a pair of three': ['client = [["a", "b", "secret"]]', /^client is not/],
  'no URL': ['server = "https://"', /^server is not/],
  'a header of two lines': ['[header]\nx = "a\\nsecret: b"', /^header\.x is not/],
  'a header that is a table': ['[header]\nx = {secret = 1}', /^header\.x is not/],
};
for (const [what, [text, message]] of Object.entries(bad))
  test(`hosts.toml that is refused, quoting nothing: ${what}`, (t) => {
    const error = t.throws(() => parse(text), { message });
    t.notRegex(`${error.message} ${error.cause ?? ''}`, /secret/);
  });
