import { copyFileSync, cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import test from 'ava';
import { execa } from 'execa';
import { mounterExecutable } from '../../scripts/paths.ts';
import { DockerRegistry } from '../support/image/docker-registry.ts';
import { writeOciLayout } from '../support/image/oci-layout.ts';
import { ProxyServer } from '../support/image/proxy-server.ts';
import { json, RegistryStandIn, send } from '../support/image/registry-stand-in.ts';
import { imageOf, tarOf } from '../support/image/test-image.ts';

/** What the node says of the network: proxies, whom it trusts, and where images are. The executable reads it as it is. */

const scratch = mkdtempSync(join(tmpdir(), 'node-network-'));
test.after.always(() => rmSync(scratch, { recursive: true, force: true }));
const image = imageOf({ tars: [await tarOf({ 'bin/app': 'app' })] });
const layout = join(scratch, 'layout');
writeOciLayout(layout, image);

interface Node {
  /** Files of /etc by name: text, or a file or a directory to copy. */
  readonly etc?: Readonly<Record<string, string | { readonly copyOf: string }>>;
  readonly environment?: Readonly<Record<string, string>>;
  readonly flags?: readonly string[];
}

/** Installs on a node whose /etc is this and nothing else. @returns what was said where it failed. */
async function install(reference: string, { etc = {}, environment = {}, flags = [] }: Node) {
  const place = mkdtempSync(join(scratch, 'node-'));
  for (const [name, content] of Object.entries(etc)) {
    const path = join(place, 'etc', name);
    mkdirSync(dirname(path), { recursive: true });
    if (typeof content === 'string') writeFileSync(path, content);
    else cpSync(content.copyOf, path, { recursive: true });
  }
  mkdirSync(join(place, 'etc'), { recursive: true });
  copyFileSync('/etc/passwd', join(place, 'etc/passwd'));
  const onNode = [
    '-m',
    '--propagation',
    'private',
    'sh',
    '-c',
    'mount --bind "$0" /etc && exec "$@"',
    join(place, 'etc'),
  ];
  const argv = ['install', reference, '--into', join(place, 'out'), ...flags];
  const { exitCode, stdout, stderr } = await execa('unshare', [...onNode, mounterExecutable, ...argv], {
    extendEnv: false,
    env: { PATH: process.env.PATH ?? '', HOME: place, MOUNTER_HOME: join(place, 'home'), ...environment },
    reject: false,
  });
  const isInstalled = exitCode === 0 && existsSync(join(place, 'out/bin/app'));
  return { isInstalled, text: `${stdout}${stderr}` };
}

type Check = (t: import('ava').ExecutionContext, registry: DockerRegistry) => Promise<void>;

function withRegistry(
  title: string,
  request: Parameters<typeof DockerRegistry.start>[0],
  check: Check,
): void {
  test.serial(title, async (t) => {
    await using registry = await DockerRegistry.start(request);
    await registry.push(`oci:${layout}:latest`, 'tools:v1');
    await check(t, registry);
  });
}

const byName = 'registry.example/tools:v1';
const caOf = (registry: DockerRegistry) => ['--ca-file', join(registry.directory, 'ca.pem')];

withRegistry(
  'by a proxy of the environment, which alone knows the registry',
  { tls: true },
  async (t, registry) => {
    await using proxy = await ProxyServer.start({ to: registry.address, login: 'me:secret' });
    for (const name of ['HTTPS_PROXY', 'https_proxy']) {
      const environment = { [name]: proxy.url };
      const { isInstalled, text } = await install(byName, { environment, flags: caOf(registry) });
      t.true(isInstalled, text);
      t.is(proxy.asked.pop(), 'CONNECT registry.example:443');
      proxy.asked.length = 0;
    }
    const direct = { HTTPS_PROXY: 'http://127.0.0.1:1', no_proxy: 'other.example, .example' };
    const etc = { hosts: '127.0.0.1 registry.example' };
    const named = `registry.example:${registry.address.split(':')[1]}/tools:v1`;
    const around = await install(named, { environment: direct, etc, flags: caOf(registry) });
    t.true(around.isInstalled, around.text);
    const loopback = { HTTPS_PROXY: 'http://127.0.0.1:1' };
    const itself = await install(`${registry.address}/tools:v1`, {
      environment: loopback,
      flags: caOf(registry),
    });
    t.true(itself.isInstalled, itself.text);
    t.deepEqual(proxy.asked, []);
  },
);

withRegistry(
  'by a proxy that speaks TLS, of a CA that the machine trusts',
  { tls: true },
  async (t, registry) => {
    await using proxy = await ProxyServer.start({ to: registry.address, certificates: registry.directory });
    const environment = { HTTPS_PROXY: proxy.url };
    const etc = { 'ssl/certs/ca-certificates.crt': { copyOf: join(registry.directory, 'ca.pem') } };
    const { isInstalled, text } = await install(byName, { environment, etc });
    t.true(isInstalled, text);
  },
);

test.serial('without TLS by a proxy', async (t) => {
  await using registry = await DockerRegistry.start();
  await registry.push(`oci:${layout}:latest`, 'tools:v1');
  await using proxy = await ProxyServer.start({ to: registry.address });
  const environment = { HTTP_PROXY: proxy.url };
  const etc = { 'containerd/certs.d/registry.example/hosts.toml': 'server = "http://registry.example"' };
  const { isInstalled, text } = await install(byName, { environment, etc });
  t.true(isInstalled, text);
  t.is(proxy.asked[0], 'GET http://registry.example/v2/tools/manifests/v1');
});

const refusals: Readonly<Record<string, readonly [proxy: object, says: RegExp]>> = {
  'wants a user': [
    { login: 'me:pass' },
    /the proxy 127.*407[\s\S]*\nhint: give the user of the proxy in HTTPS_PROXY: http:\/\/USER:PASSWORD@/,
  ],
  'forbids it': [
    { refusal: 403 },
    /the proxy 127.*403[\s\S]*\nhint: ask whoever runs 127\.0\.0\.1:\d+ to let this node reach registry\.example/,
  ],
};
for (const [what, [proxied, says]] of Object.entries(refusals))
  test.serial(`a proxy that ${what}: told at once, with what to do`, async (t) => {
    await using proxy = await ProxyServer.start({ to: '127.0.0.1:1', ...proxied });
    const environment = { HTTPS_PROXY: proxy.url.replace('me:pass@', 'me:secret@') };
    const { text } = await install(byName, { environment });
    t.regex(text, says);
    t.notRegex(text, /secret|bWU6/);
    t.is(proxy.asked.length, 1);
  });

test.serial('a proxy that is none', async (t) => {
  const { text } = await install(byName, {
    environment: { HTTPS_PROXY: 'socks5://me:secret@127.0.0.1:1080' },
  });
  t.regex(text, /^mounter: HTTPS_PROXY: names a proxy of the kind socks5:\/\/\nhint: write http:/m);
  t.notRegex(text, /secret/);
});

withRegistry("a private CA: the machine's, docker's, podman's", { tls: true }, async (t, registry) => {
  const ca = { copyOf: join(registry.directory, 'ca.pem') };
  const places: Readonly<Record<string, Node>> = {
    "Debian's bundle": { etc: { 'ssl/certs/ca-certificates.crt': ca } },
    "Fedora's bundle": { etc: { 'pki/ca-trust/extracted/pem/tls-ca-bundle.pem': ca } },
    'a file among others': { etc: { 'ssl/certs/own.pem': ca } },
    SSL_CERT_FILE: { environment: { SSL_CERT_FILE: ca.copyOf } },
    SSL_CERT_DIR: { environment: { SSL_CERT_DIR: `/gone:${join(registry.directory, 'certs')}` } },
    "docker's": { etc: { [`docker/certs.d/${registry.address}/ca.crt`]: ca } },
    "podman's": { etc: { [`containers/certs.d/${registry.address}/other.crt`]: ca } },
    "containerd's, without a hosts.toml": { etc: { 'containerd/certs.d/_default/ca.crt': ca } },
    "containerd's": {
      etc: {
        [`containerd/certs.d/${registry.address.replace(/:(.*)/, '_$1_')}/hosts.toml`]: 'ca = "own.pem"',
        [`containerd/certs.d/${registry.address.replace(/:(.*)/, '_$1_')}/own.pem`]: ca,
      },
    },
    'nobody, as nothing is looked at': {
      etc: { [`containerd/certs.d/${registry.address}/hosts.toml`]: 'skip_verify = true' },
    },
  };
  for (const [what, node] of Object.entries(places)) {
    const { isInstalled, text } = await install(`${registry.address}/tools:v1`, node);
    t.true(isInstalled, `${what}: ${text}`);
  }
  const other = { etc: { 'docker/certs.d/other.example/ca.crt': ca } };
  const { text } = await install(`${registry.address}/tools:v1`, other);
  t.regex(
    text,
    /its certificate is not trusted[\s\S]*\nhint: .*--ca-file, or add it to what this machine trusts/,
  );
});

withRegistry('a registry that wants a certificate', { clientCertificates: true }, async (t, registry) => {
  const certs = { copyOf: join(registry.directory, 'certs') };
  const [reference, host] = [`${registry.address}/tools:v1`, registry.address];
  const client = 'client = [["client.cert", "client.key"]]\nca = "ca.crt"';
  const places: Readonly<Record<string, Node>> = {
    "docker's": { etc: { [`docker/certs.d/${host}`]: certs } },
    "containerd's": {
      etc: { [`containerd/certs.d/${host}`]: certs, [`containerd/certs.d/${host}/hosts.toml`]: client },
    },
  };
  for (const [what, node] of Object.entries(places)) {
    const { isInstalled, text } = await install(reference, node);
    t.true(isInstalled, `${what}: ${text}`);
  }
  for (const word of [reference, `https://${host}/v2/`]) {
    const { text } = await install(word, { flags: caOf(registry) });
    t.true(
      text.includes(
        `hint: put it and its key, as client.cert and client.key, into /etc/docker/certs.d/${host}`,
      ),
      text,
    );
  }
  const byUrl = await install(`https://${host}/v2/`, { etc: { [`docker/certs.d/${host}`]: certs } });
  t.regex(byUrl.text, /is not a tar/);
  const noKey = { [`docker/certs.d/${host}/client.cert`]: { copyOf: join(certs.copyOf, 'client.cert') } };
  t.regex(
    (await install(reference, { etc: noKey })).text,
    /client\.cert: is no certificate with its key\nhint: /,
  );
});

test.serial(
  "containerd's hosts.toml: mirrors in order, by what they can; their headers are theirs alone",
  async (t) => {
    await using resolver = await RegistryStandIn.start();
    await using puller = await RegistryStandIn.start();
    await using itself = await RegistryStandIn.start((request, response) =>
      send(request, response, json(500, {})),
    );
    resolver.add(image);
    puller.add(image);
    puller.behave = (request, response, answer) => {
      const { url = '', headers } = request;
      const isRight = url.startsWith('/cache/team/tools/') && headers['x-key'] === 'secret';
      const blob = puller.blobs.get(/sha256:[0-9a-f]+/.exec(url)?.[0] ?? '');
      send(request, response, isRight && blob ? { status: 200, headers: {}, body: blob } : answer);
    };
    const hosts = `server = "http://${itself.address}"
    [host."http://127.0.0.1:1"]
      capabilities = ["resolve"]
    [host."http://${resolver.address}/x"]
      capabilities = ["resolve"]
    [host."http://${puller.address}/cache"]
      capabilities = ["pull"]
      override_path = true
      header = { X-Key = "secret" }`;
    const etc = { 'containerd/certs.d/_default/hosts.toml': hosts };
    const { isInstalled, text } = await install('r.example:5000/team/tools:v1', { etc });
    t.true(isInstalled, text);
    t.notRegex(text, /secret/);
    t.deepEqual(
      resolver.requests.map(({ url }) => url).filter((url) => url !== '/x/v2/'),
      ['/x/v2/team/tools/manifests/v1?ns=r.example:5000'],
    );
    t.true(puller.requests.every(({ url }) => url.endsWith('?ns=r.example:5000')));
    t.true(resolver.requests.every(({ headers }) => headers['x-key'] === undefined));
    t.deepEqual(itself.requests, []);
  },
);

withRegistry('a hosts.toml that is damaged: passed over, and said so', {}, async (t, registry) => {
  const etc = { [`containerd/certs.d/${registry.address}/hosts.toml`]: 'server = "https://me:secret@x' };
  const { isInstalled, text } = await install(`${registry.address}/tools:v1`, { etc });
  t.true(isInstalled, text);
  t.regex(text, /hosts\.toml is passed over, as containerd does: line 1, column \d+ is no TOML/);
  t.notRegex(text, /secret/);
});
