import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import test from 'ava';
import { DockerRegistry } from '../support/image/docker-registry.ts';
import { writeOciLayout } from '../support/image/oci-layout.ts';
import { pull } from '../support/image/pull.ts';
import { type Behaviour, json, RegistryStandIn, send } from '../support/image/registry-stand-in.ts';
import { imageOf, tarOf } from '../support/image/test-image.ts';
import { mounter, ScratchNode, shared } from '../support/node/namespace.ts';

/** Credentials where nodes have them, for a registry that wants a password; what was used is said, its secret never. */

const scratch = mkdtempSync(join(tmpdir(), 'credentials-'));
test.after.always(() => rmSync(scratch, { recursive: true, force: true }));

const image = imageOf({ tars: [await tarOf({ hello: 'world' })] });
const wrong = 'me:wrong-secret';
const right = 'me:right-secret';

function authFile(...entries: readonly (readonly [name: string, login: string])[]): string {
  return JSON.stringify({
    auths: Object.fromEntries(entries.map(([name, login]) => [name, { auth: btoa(login) }])),
  });
}

/** Answers for one image alone, and says nothing of others; by the protocol as kubelet's documentation has it. */
function providerProgram(wanted: string, login: string): string {
  const [username, password] = login.split(':');
  const apiVersion = 'credentialprovider.kubelet.k8s.io/v1';
  const answer = (auth: unknown) =>
    JSON.stringify({
      kind: 'CredentialProviderResponse',
      apiVersion,
      cacheKeyType: 'Image',
      cacheDuration: '5m',
      auth,
    });
  return `#!/bin/sh
request=$(cat)
[ "$request" = '${JSON.stringify({ kind: 'CredentialProviderRequest', apiVersion, image: wanted })}' ] || {
  echo '${answer({})}'; exit 0; }
[ "$1 $CLOUD" = 'get-credentials test' ] || exit 3
echo '${answer({ [wanted]: { username, password } })}'
`;
}

const providerConfig = (host: string) => `apiVersion: kubelet.config.k8s.io/v1
kind: CredentialProviderConfig
providers:
  - name: test-provider
    matchImages: ["${host}/team"]
    defaultCacheDuration: 12h
    apiVersion: credentialprovider.kubelet.k8s.io/v1
    args: [get-credentials]
    env: [{name: CLOUD, value: test}]
`;

test.serial(
  "each file of a node, and kubelet's credential provider; the next where one is refused",
  async (t) => {
    await using registry = await DockerRegistry.start({ passwords: { me: 'right-secret' } });
    await using node = await ScratchNode.start({ enterNetwork: [] });
    const layout = join(scratch, 'layout');
    writeOciLayout(layout, image);
    const reference = await registry.push(`oci:${layout}`, 'team/tools:v1', right);
    const { address } = registry;
    const files: string[] = [];
    const write = (path: string, text: string, mode = 0o600) => {
      mkdirSync(dirname(node.path(path)), { recursive: true });
      writeFileSync(node.path(path), text);
      chmodSync(node.path(path), mode);
      files.push(path);
    };
    let count = 0;
    const install = async (
      environment: Readonly<Record<string, string>> = {},
      ...flags: readonly string[]
    ) => {
      count += 1;
      const argv = [mounter, 'install', reference, '--into', `/mnt/into/${count}`, '-v', ...flags];
      const ran = await node.run(argv, { environment: { HOME: '/mnt/user', ...environment } });
      t.notRegex(ran.stdout + ran.stderr, /secret/);
      // Each begins with nothing.
      for (const file of files.splice(0)) rmSync(node.path(file));
      return ran;
    };
    const loggedIn = async (by: string, ...call: Parameters<typeof install>) => {
      const { status, stderr } = await install(...call);
      t.is(status, 0, stderr);
      t.true(stderr.includes(`${address}: logged in by ${by}\n`), stderr);
      return stderr;
    };
    const nobody = await install();
    t.is(nobody.status, 2);
    t.regex(nobody.stderr, /answers 401 .*\nhint: log in to .* with docker login or podman login/);

    const places: Readonly<Record<string, Readonly<Record<string, string>>>> = {
      '/mnt/user/own.json': { REGISTRY_AUTH_FILE: '/mnt/user/own.json' },
      '/run/containers/0/auth.json': {},
      '/mnt/docker/config.json': { DOCKER_CONFIG: '/mnt/docker' },
      '/mnt/user/.docker/config.json': {},
      '/var/lib/kubelet/config.json': {},
    };
    for (const [path, environment] of Object.entries(places)) {
      write(path, authFile([address, right]));
      await loggedIn(`${path} (${address})`, environment);
    }

    write('/run/containers/0/auth.json', authFile([address, wrong]));
    write(
      '/mnt/user/.docker/config.json',
      authFile([`https://${address}/v2/`, wrong], [`${address}/other`, right]),
    );
    write('/var/lib/kubelet/config.json', authFile([address, right]));
    const third = await loggedIn(`/var/lib/kubelet/config.json (${address})`);
    t.regex(
      third,
      /what \/run\/containers\/0\/auth\.json .* is refused \(401\)\n.*what \/mnt\/user\/\.docker\/config\.json .* is refused/,
    );

    const helper = `#!/bin/sh\n[ "$1" = get ] && [ "$(cat)" = ${address} ] && echo '{"Username": "me", "Secret": "right-secret"}'\n`;
    write(`${shared}/docker-credential-test`, helper, 0o755);
    write('/mnt/user/.docker/config.json', JSON.stringify({ credHelpers: { [address]: 'test' } }));
    await loggedIn('docker-credential-test, as /mnt/user/.docker/config.json says', {
      PATH: `${shared}:/usr/bin:/bin`,
    });

    const flags = [
      '--image-credential-provider-config',
      '/mnt/kubelet/providers.yaml',
      '--image-credential-provider-bin-dir',
      shared,
    ];
    const provide = (login: string) => {
      write('/mnt/kubelet/providers.yaml', providerConfig(address));
      write(`${shared}/test-provider`, providerProgram(`${address}/team/tools`, login), 0o755);
    };
    provide(right);
    write('/mnt/user/.docker/config.json', authFile([address, wrong]));
    await loggedIn('the credential provider test-provider', {}, ...flags);
    provide(wrong);
    write('/var/lib/kubelet/config.json', authFile([`${address}/team`, wrong], [address, right]));
    await loggedIn(`/var/lib/kubelet/config.json (${address})`, {}, ...flags);

    provide(wrong);
    const refused = await install({}, ...flags);
    t.is(refused.status, 2);
    t.regex(refused.stderr, /what the credential provider test-provider has is refused \(401\)\n/);
    t.regex(
      refused.stderr,
      /answers 401 .*\nhint: log in to .* again: it does not take these credentials\n?$/,
    );
    const half = await install({}, ...flags.slice(0, 2));
    t.is(half.status, 1);
    t.regex(half.stderr, /--image-credential-provider-config: needs --image-credential-provider-bin-dir\n/);
  },
);

/** Pulls by tokens from a stand-in that has them for whom `takes` says, and by whom it does not. */
async function pullByToken(token: Behaviour, logins: readonly string[], manifest: Behaviour = send) {
  await using registry = await RegistryStandIn.start();
  registry.tokens = true;
  registry.behave = (request, response, answer) =>
    (request.url?.startsWith('/token') === true ? token : manifest)(request, response, answer);
  const reference = registry.add(image);
  const names = [`${registry.address}/team/tools`, `${registry.address}/team`, registry.address];
  const credentials = join(mkdtempSync(join(scratch, 'token-')), 'config.json');
  writeFileSync(credentials, authFile(...logins.map((login, at) => [names[at] ?? '', login] as const)));
  const options = {
    platform: { os: 'linux', architecture: 'amd64' } as const,
    plainHttp: false,
    mirrors: {},
  };
  const downloadDirectory = mkdtempSync(join(scratch, 'downloads-'));
  const pulled = await pull(reference, { ...options, downloadDirectory, credentials });
  return { pulled, asked: registry.asked('/token').length };
}

const byPassword: Behaviour = (request, response) =>
  send(
    request,
    response,
    request.headers.authorization === `Basic ${btoa(right)}` ? json(200, { token: 'good' }) : json(401, {}),
  );

test.serial(
  'a token service that refuses the first credentials is shown the next; one that refuses all is said to',
  async (t) => {
    const second = await pullByToken(byPassword, [wrong, right]);
    t.is(second.pulled.digest, image.digest, JSON.stringify(second.pulled.error));
    t.is(second.asked, 2);
    const none = await pullByToken(byPassword, [wrong, wrong]);
    t.regex(none.pulled.error?.hint ?? '', /again: it does not take these credentials/);
    t.is(none.asked, 2);
  },
);

test.serial(
  'a token that may not pull, 403, is no reason to give up; one that has expired is renewed by the same credentials',
  async (t) => {
    const named: Behaviour = (request, response) =>
      send(
        request,
        response,
        json(200, { token: request.headers.authorization === `Basic ${btoa(right)}` ? 'good' : 'bad' }),
      );
    const forbidding: Behaviour = (request, response, answer) =>
      send(request, response, request.headers.authorization === 'Bearer good' ? answer : json(403, {}));
    const second = await pullByToken(named, [wrong, right], forbidding);
    t.is(second.pulled.digest, image.digest, JSON.stringify(second.pulled.error));
    let tokens = 0;
    const counted: Behaviour = (request, response) => {
      tokens += 1;
      send(
        request,
        response,
        request.headers.authorization === `Basic ${btoa(right)}`
          ? json(200, { token: `t${tokens}` })
          : json(401, {}),
      );
    };
    let uses = 0;
    /** Each token is good for one answer. */
    const expiring: Behaviour = (request, response, answer) => {
      const isNew = request.headers.authorization === `Bearer t${tokens}` && uses < tokens;
      uses = isNew ? tokens : uses;
      const challenge = {
        'www-authenticate': `Bearer realm="http://${request.headers.host}/token",service="test"`,
      };
      send(request, response, isNew ? answer : json(401, {}, challenge));
    };
    const renewed = await pullByToken(counted, [right, wrong], expiring);
    t.is(renewed.pulled.digest, image.digest, JSON.stringify(renewed.pulled.error));
    t.is(renewed.asked, 3);
  },
);
