import { execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { MounterError } from '../../../../src/errors.ts';
import { parseDockerConfig, readAuthFiles, sourcesIn } from '../../../../src/image/registry/credentials.ts';
import { type Credentials, Keyring } from '../../../../src/image/registry/keyring.ts';

type Config = ReturnType<typeof parseDockerConfig>;

/** Those that go first. */
async function credentialsFor(
  host: string,
  repository: string,
  config: Config,
): Promise<Credentials | undefined> {
  const keyring = new Keyring(sourcesIn({ path: 'config.json', config }, host, repository));
  return (await keyring.current())?.credentials;
}

const login = { auth: btoa('me:pass:word') };
const me: Credentials = { kind: 'password', user: 'me', password: 'pass:word' };
const host = 'registry.example';

const configs: Readonly<
  Record<string, { readonly config: object; readonly host?: string; readonly is?: Credentials }>
> = {
  'nothing at all': { config: {} },
  'another host': { config: { auths: { 'other.example': login } } },
  'the host': { config: { auths: { [host]: login } }, is: me },
  'a URL of the host': { config: { auths: { [`https://${host}/v2/`]: login } }, is: me },
  'the host with another port': { config: { auths: { [`${host}:5000`]: login } } },
  'the host with the port': { config: { auths: { [`${host}:5000`]: login } }, host: `${host}:5000`, is: me },
  'Docker Hub': { config: { auths: { 'https://index.docker.io/v1/': login } }, host: 'docker.io', is: me },
  'the longest name': {
    config: { auths: { [host]: { auth: btoa('not:me') }, [`${host}/team`]: login } },
    is: me,
  },
  "any label of a host, as kubelet's": { config: { auths: { '*.example': login, example: login } }, is: me },
  'a host in full, before any label of it': {
    config: { auths: { '*.example': { auth: btoa('not:me') }, [host]: login } },
    is: me,
  },
  'a repository below any host, before the host in full': {
    config: { auths: { [host]: { auth: btoa('not:me') }, '*.example/team': login } },
    is: me,
  },
  'labels more than there are': {
    config: { auths: { '*.*.example': login, '*': login, '*.example:5000': login } },
  },
  'a part of a name': { config: { auths: { [`${host}/te`]: login } } },
  'a neighbour of the repository': { config: { auths: { [`${host}/team/other`]: login } } },
  'user and password apart': {
    config: { auths: { [host]: { username: 'me', password: 'pass:word' } } },
    is: me,
  },
  'an identity token': {
    config: { auths: { [host]: { auth: btoa('me:'), identitytoken: 'token' } } },
    is: { kind: 'identityToken', token: 'token' },
  },
  'an empty entry': { config: { auths: { [host]: {} } } },
  'an entry that is no base64 of user:password': { config: { auths: { [host]: { auth: 'AAAA' } } } },
  'nulls where there may be something': {
    config: {
      auths: { [host]: { ...login, identitytoken: null }, other: null },
      credHelpers: null,
      credsStore: null,
    },
    is: me,
  },
  'no logins at all, as null': { config: { auths: null } },
  'empty words': {
    config: { auths: { [host]: { ...login, identitytoken: '', username: '' } }, credsStore: '' },
    is: me,
  },
  'an empty login': { config: { auths: { [host]: { auth: '' } } } },
  'an empty login, and user and password apart': {
    config: { auths: { [host]: { auth: '', username: 'me', password: 'pass:word' } } },
    is: me,
  },
  'a helper without a name: the file': {
    config: { auths: { [host]: login }, credHelpers: { [host]: '' }, credsStore: 'absent' },
    is: me,
  },
  'a password filled up with NULs': {
    config: { auths: { [host]: { auth: btoa('me:pass:word\0\0') } } },
    is: me,
  },
  'a URL of the first version': { config: { auths: { [`https://${host}/v1/`]: login } }, is: me },
  'a URL in capitals, without TLS': { config: { auths: { [`HTTP://${host}`]: login } }, is: me },
  'a URL with a path of its own': { config: { auths: { [`https://${host}/service/token`]: login } }, is: me },
  'a URL with a path of its own, and one without': {
    config: {
      auths: { [`https://${host}`]: login, [`https://${host}/refresh-token`]: { auth: btoa('not:me') } },
    },
    is: me,
  },
  'the tokens that docker keeps for Docker Hub': {
    config: {
      auths: {
        'https://index.docker.io/v1/': login,
        'https://index.docker.io/v1/access-token': { auth: btoa('not:me') },
      },
    },
    host: 'docker.io',
    is: me,
  },
  'fields of no interest': {
    config: { auths: { [host]: login }, HttpHeaders: {}, plugins: { a: {} } },
    is: me,
  },
};
for (const [what, { config, host: wanted = host, is }] of Object.entries(configs)) {
  test(`config.json: ${what}`, async (t) => {
    const parsed = parseDockerConfig(JSON.stringify(config), 'config.json');
    t.deepEqual(await credentialsFor(wanted, 'team/tools', parsed), is);
  });
}

test('a damaged config.json: the message quotes nothing of it', (t) => {
  for (const text of ['{"auths": {"x": {"auth": "secret', '{"auths": {"x": "secret"}}', '"secret"']) {
    const error = t.throws(() => parseDockerConfig(text, 'c.json'), { instanceOf: MounterError });
    t.notRegex(`${error.message} ${error.hint} ${error.cause ?? ''}`, /secret/);
  }
});

test('an empty config.json says nothing', async (t) => {
  for (const text of ['', '\n'])
    t.is(await credentialsFor(host, 'team/tools', parseDockerConfig(text, 'config.json')), undefined);
});

test('a config.json that was named has to be there', (t) => {
  t.throws(() => readAuthFiles(join(tmpdir(), 'none/config.json')), { code: 'ENOENT' });
});

const directory = mkdtempSync(join(tmpdir(), 'credentials-'));
process.env.PATH = `${directory}:${process.env.PATH}`;
test.after.always(() => rmSync(directory, { recursive: true, force: true }));

function writeHelper(name: string, script: string): void {
  writeFileSync(join(directory, `docker-credential-${name}`), `#!/bin/sh\n${script}\n`);
  chmodSync(join(directory, `docker-credential-${name}`), 0o755);
}

test('helpers: the one of the host, then the store, then the file', async (t) => {
  writeHelper(
    'one',
    `[ "$1" = get ] && read -r host; echo "{\\"Username\\": \\"$host\\", \\"Secret\\": \\"s\\"}"`,
  );
  writeHelper('token', `echo '{"Username": "<token>", "Secret": "s"}'`);
  writeHelper('none', 'echo "credentials not found in native keychain"; exit 1');
  const of = (config: object, wanted = host) =>
    credentialsFor(wanted, 'tools', parseDockerConfig(JSON.stringify(config), 'config.json'));
  const byOne = { kind: 'password', user: host, password: 's' };
  t.deepEqual(await of({ credHelpers: { [host]: 'one' }, credsStore: 'none' }), byOne);
  t.deepEqual(await of({ credHelpers: { other: 'none' }, credsStore: 'one' }), byOne);
  t.deepEqual(await of({ credsStore: 'token' }), { kind: 'identityToken', token: 's' });
  t.deepEqual(await of({ credsStore: 'none', auths: { [host]: login } }), me);
  t.is(await of({ credsStore: 'none' }), undefined);
  const hub = await of({ credsStore: 'one' }, 'docker.io');
  t.deepEqual(hub, { kind: 'password', user: 'https://index.docker.io/v1/', password: 's' });
});

const badHelpers: Readonly<
  Record<string, readonly [name: string, script: string | undefined, message: RegExp]>
> = {
  'is not there': ['absent', undefined, /could not be run/],
  fails: ['fails', 'echo secret; echo secret >&2; exit 3', /failed with status 3/],
  'talks nonsense': ['nonsense', 'echo secret', /no user and secret/],
  'has a path for a name': ['../../bin/sh', undefined, /no name of a program/],
};
for (const [what, [name, script, message]] of Object.entries(badHelpers)) {
  test(`a helper that ${what}`, async (t) => {
    if (script !== undefined) writeHelper(name, script);
    const config = parseDockerConfig(JSON.stringify({ credsStore: name }), 'config.json');
    const error = await t.throwsAsync(credentialsFor(host, 'tools', config), {
      instanceOf: MounterError,
      message,
    });
    t.notRegex(`${error?.message} ${error?.hint}`, /secret$/);
    t.is(error?.subject, `docker-credential-${name}`);
  });
}

test('several of one file, and of several files: what fits best, then in the order of the files', async (t) => {
  const file = (path: string, auths: Readonly<Record<string, string>>) => ({
    path,
    config: parseDockerConfig(
      JSON.stringify({
        auths: Object.fromEntries(
          Object.entries(auths).map(([name, user]) => [name, { auth: btoa(`${user}:x`) }]),
        ),
      }),
      path,
    ),
  });
  const files = [
    file('first', { [host]: 'first', 'other.example': 'none' }),
    file('second', {
      [host]: 'second',
      [`${host}/team`]: 'team',
      [`${host}/team/tools`]: 'tools',
      '*.example': 'any',
    }),
  ];
  const keyring = new Keyring(files.flatMap((each) => sourcesIn(each, host, 'team/tools')));
  const users: string[] = [];
  for (let next = await keyring.current(); next !== undefined; next = await keyring.current()) {
    users.push(`${next.credentials.kind === 'password' ? next.credentials.user : ''}, ${next.origin}`);
    keyring.discard();
  }
  t.deepEqual(users, [
    `tools, second (${host}/team/tools)`,
    `team, second (${host}/team)`,
    `first, first (${host})`,
    `second, second (${host})`,
    'any, second (*.example)',
  ]);
});

test('a helper that fails keeps nobody from trying the rest', async (t) => {
  const config = parseDockerConfig(
    JSON.stringify({ credsStore: 'absent', auths: { [host]: login } }),
    'c.json',
  );
  t.deepEqual(await credentialsFor(host, 'tools', config), me);
});

test('the files of a node: podman, docker, kubelet; what is not there is nothing', (t) => {
  const file = join(directory, 'auth.json');
  writeFileSync(file, JSON.stringify({ auths: { [host]: login } }));
  writeFileSync(join(directory, 'config.json'), '{}');
  const paths = (environment: NodeJS.ProcessEnv) =>
    readAuthFiles(undefined, environment)
      .map(({ path }) => path)
      .filter((path) => path.startsWith(directory));
  t.deepEqual(paths({ REGISTRY_AUTH_FILE: file, DOCKER_CONFIG: directory }), [
    file,
    `${directory}/config.json`,
  ]);
  t.deepEqual(paths({ REGISTRY_AUTH_FILE: `${directory}/none` }), []);
});

test('a pipe in the place of a file of the node is not waited for', (t) => {
  const pipe = join(directory, 'pipe');
  execFileSync('mkfifo', [pipe]);
  t.throws(() => readAuthFiles(undefined, { REGISTRY_AUTH_FILE: pipe }), {
    message: 'is no plain file, and is not read',
  });
});
