import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { MounterError } from '../../../../src/errors.ts';
import { CredentialProviders } from '../../../../src/image/registry/credential-providers.ts';
import { Keyring } from '../../../../src/image/registry/keyring.ts';

const scratch = mkdtempSync(join(tmpdir(), 'credential-providers-'));
test.after.always(() => rmSync(scratch, { recursive: true, force: true }));

const apiVersion = 'credentialprovider.kubelet.k8s.io/v1';
let places = 0;

/** A configuration with this one provider, whose program is `script`. */
function provider(script: string, more: Readonly<Record<string, unknown>> = {}, now?: () => number) {
  places += 1;
  const programs = join(scratch, String(places));
  mkdirSync(programs);
  writeFileSync(join(programs, 'provider'), `#!/bin/sh\ncd "\${0%/*}"\n${script}\n`);
  chmodSync(join(programs, 'provider'), 0o755);
  const one = {
    name: 'provider',
    matchImages: ['*.example'],
    defaultCacheDuration: '1h',
    apiVersion,
    ...more,
  };
  const config = join(programs, 'config.json');
  const whole = {
    apiVersion: 'kubelet.config.k8s.io/v1',
    kind: 'CredentialProviderConfig',
    providers: [one],
  };
  writeFileSync(config, JSON.stringify(whole));
  return { programs, providers: new CredentialProviders({ config, programs }, now) };
}

function reply(more: Readonly<Record<string, unknown>>): string {
  const whole = { kind: 'CredentialProviderResponse', apiVersion, cacheKeyType: 'Image', ...more };
  return `echo "$1 $VARIABLE" >>calls; cat >>requests; echo '${JSON.stringify(whole)}'`;
}

const login = { username: 'me', password: 'secret' };

async function users(
  providers: CredentialProviders,
  host: string,
  repository: string,
): Promise<readonly string[]> {
  const keyring = new Keyring(providers.sourcesFor(host, repository));
  const found: string[] = [];
  for (let next = await keyring.current(); next !== undefined; next = await keyring.current()) {
    if (next.credentials.kind === 'password') found.push(next.credentials.user);
    keyring.discard();
  }
  return found;
}

test.serial('it is asked as kubelet asks, and of its answer what fits best goes first', async (t) => {
  const auth = {
    '*.example': { ...login, username: 'any' },
    'registry.example/team': { ...login, username: 'team' },
    'other.example': login,
  };
  const more = { args: ['get'], env: [{ name: 'VARIABLE', value: 'value' }] };
  const { programs, providers } = provider(reply({ auth }), more);
  t.deepEqual(await users(providers, 'registry.example', 'team/tools'), ['team', 'any']);
  t.deepEqual(JSON.parse(readFileSync(join(programs, 'requests'), 'utf8')), {
    kind: 'CredentialProviderRequest',
    apiVersion,
    image: 'registry.example/team/tools',
  });
  t.is(readFileSync(join(programs, 'calls'), 'utf8'), 'get value\n');
});

const caches: Readonly<
  Record<string, { readonly said: Readonly<Record<string, unknown>>; readonly calls: number }>
> = {
  'by image': { said: { cacheKeyType: 'Image' }, calls: 3 },
  'by registry': { said: { cacheKeyType: 'Registry' }, calls: 2 },
  'for all': { said: { cacheKeyType: 'Global' }, calls: 1 },
  'not at all': { said: { cacheKeyType: 'Global', cacheDuration: '0s' }, calls: 4 },
};
for (const [what, { said, calls }] of Object.entries(caches)) {
  test.serial(`its answer is kept ${what}`, async (t) => {
    const { programs, providers } = provider(reply({ ...said, auth: { '*.example': login } }));
    for (const [host, repository] of [
      ['a.example', 'x'],
      ['a.example', 'x'],
      ['a.example', 'y'],
      ['b.example', 'x'],
    ] as const)
      for (const source of providers.sourcesFor(host, repository)) t.is((await source.ask()).length, 1);
    t.is(readFileSync(join(programs, 'calls'), 'utf8').length, calls * 2);
  });
}

test.serial(
  'its answer is kept for as long as it says, or the configuration where it says nothing',
  async (t) => {
    for (const [said, holds, over] of [
      [{ cacheDuration: '1m30s' }, 89_000, 91_000],
      [{}, 3_599_000, 3_601_000],
    ] as const) {
      let now = 0;
      const { programs, providers } = provider(reply({ ...said, auth: {} }), {}, () => now);
      const asked = async (at: number) => {
        now = at;
        await users(providers, 'a.example', 'x');
        return readFileSync(join(programs, 'calls'), 'utf8').length / 2;
      };
      t.deepEqual([await asked(0), await asked(holds), await asked(over)], [1, 1, 2]);
    }
  },
);

const others = ['registry.other', 'example', 'a.b.example', 'a.example:5000'];
test.serial('it is asked for the images that it is for, and not where it wants the token of a Pod', (t) => {
  const { providers } = provider('exit 1');
  for (const host of others) t.deepEqual(providers.sourcesFor(host, 'x'), [], host);
  const { providers: ofPods } = provider('exit 1', { tokenAttributes: { requireServiceAccount: true } });
  t.deepEqual(ofPods.sourcesFor('a.example', 'x'), []);
});

const failures: Readonly<Record<string, readonly [script: string, says: RegExp]>> = {
  fails: ['echo secret; echo secret >&2; exit 3', /^failed with status 3$/],
  'talks nonsense': ['echo secret', /^answered with no CredentialProviderResponse of /],
  'speaks another version': [
    reply({ apiVersion: 'x/v9', auth: {} }),
    /^answered with no CredentialProviderResponse of /,
  ],
  'keeps it by another key': [
    reply({ cacheKeyType: 'Pod', auth: {} }),
    /^answered with no CredentialProviderResponse of /,
  ],
  'has no end': ['exec yes', /^answered without an end$/],
  'is killed': ['kill -9 $$', /^was killed$/],
  'is not there': ['rm provider; exec nothing', /^failed with status 127$/],
};
for (const [what, [script, says]] of Object.entries(failures)) {
  test.serial(`a provider that ${what}`, async (t) => {
    const { programs, providers } = provider(script);
    const error = await t.throwsAsync(users(providers, 'a.example', 'x'), {
      instanceOf: MounterError,
      message: says,
    });
    t.is(error?.subject, `${programs}/provider`);
    t.notRegex(`${error?.message} ${error?.hint}`, /secret/);
  });
}

const configs: Readonly<Record<string, readonly [text: string, says: RegExp]>> = {
  'no YAML': ['secret: [', /: is neither YAML nor JSON|is neither YAML nor JSON/],
  'something else': ['{"kind": "KubeletConfiguration", "apiVersion": "kubelet.config.k8s.io/v1"}', /^kind: /],
  'a path for a name': [
    `{"apiVersion": "kubelet.config.k8s.io/v1", "kind": "CredentialProviderConfig", "providers": [{"name": "../x", "matchImages": ["a"], "defaultCacheDuration": "1h", "apiVersion": "${apiVersion}"}]}`,
    /^providers\.0\.name: /,
  ],
  'no duration': [
    `{"apiVersion": "kubelet.config.k8s.io/v1", "kind": "CredentialProviderConfig", "providers": [{"name": "x", "matchImages": ["a"], "defaultCacheDuration": "soon", "apiVersion": "${apiVersion}"}]}`,
    /^providers\.0\.defaultCacheDuration: /,
  ],
};
for (const [what, [text, says]] of Object.entries(configs)) {
  test.serial(`a configuration with ${what}`, (t) => {
    const config = join(mkdtempSync(join(scratch, 'config-')), 'config.yaml');
    writeFileSync(config, text);
    const error = t.throws(() => new CredentialProviders({ config, programs: scratch }), {
      instanceOf: MounterError,
      message: says,
    });
    t.is(error.subject, config);
    t.notRegex(`${error.message} ${error.hint} ${error.cause ?? ''}`, /secret/);
  });
}
