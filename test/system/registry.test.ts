import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import test from 'ava';
import { execa } from 'execa';
import { repository } from '../../scripts/paths.ts';
import { openSource, type SourceOptions } from '../../src/image/source.ts';
import { DockerRegistry } from '../support/image/docker-registry.ts';
import { ProxyServer } from '../support/image/proxy-server.ts';
import { type Pulled, pull } from '../support/image/pull.ts';
import {
  type Behaviour,
  breakAfter,
  drip,
  dripHead,
  json,
  RegistryStandIn,
  send,
} from '../support/image/registry-stand-in.ts';
import { digestOf, imageOf, indexOf, layoutOf, type TestImage, tarOf } from '../support/image/test-image.ts';
import { rounds } from '../support/long-run.ts';

type Options = Omit<SourceOptions, 'progress'>;

/** Two engines: Node, which runs these tests, and bun, of which the executable is compiled. */
const engines: Readonly<Record<string, (word: string, options: Options) => Promise<Pulled>>> = {
  node: pull,
  bun: async (word, options) => (await pullUnderBun([{ word, options }]))[0] ?? { events: [] },
};

async function pullUnderBun(
  requests: readonly { readonly word: string; readonly options: Options }[],
): Promise<readonly Pulled[]> {
  const bun = join(repository, 'node_modules/.bin/bun');
  const script = join(repository, 'test/support/image/pull.ts');
  const { stdout } = await execa(bun, [script], { input: JSON.stringify(requests) });
  return JSON.parse(stdout);
}

/** Waits that suit a registry on loopback. */
const quick = {
  idleMs: 20_000,
  leastBytes: 1,
  leastMs: 5_000,
  longestMs: 60_000,
  retries: 3,
  firstWaitMs: 5,
  longestWaitMs: 20,
  overallMs: 60_000,
};

const scratch = mkdtempSync(join(tmpdir(), 'registry-test-'));
test.after.always(() => rmSync(scratch, { recursive: true, force: true }));

function optionsFor(title: string, more: Partial<Options> = {}): Options {
  const downloadDirectory = mkdtempSync(join(scratch, `${title.replace(/\W+/g, '-').slice(0, 40)}-`));
  return {
    platform: { os: 'linux', architecture: 'amd64' },
    downloadDirectory,
    plainHttp: false,
    mirrors: {},
    credentials: writeAuths({}),
    patience: quick,
    ...more,
  };
}

function writeAuths(auths: Readonly<Record<string, string>>): string {
  const file = join(mkdtempSync(join(scratch, 'docker-')), 'config.json');
  const encoded = Object.entries(auths).map(([host, login]) => [host, { auth: btoa(login) }]);
  writeFileSync(file, JSON.stringify({ auths: Object.fromEntries(encoded) }));
  return file;
}

function digestsOf(image: TestImage): readonly string[] {
  return image.layers.map(digestOf);
}

/** Bytes that gzip leaves as long as they are. */
function noise(length: number, seed: number): Buffer {
  const random = randomOf(seed);
  return Buffer.from(Array.from({ length }, () => Math.floor(random() * 256)));
}

/** Of 0 to 1, the same ones for the same seed (mulberry32). */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

const tars = await Promise.all(
  [30_000, 90_000, 200, 50_000].map((length, at) => tarOf({ [`file${at}`]: noise(length, at) })),
);
const image = imageOf({ tars });
const other = imageOf({ tars: [await tarOf({ other: 'image' })], compression: 'zstd' });

function writeLayout(images: Readonly<Record<string, TestImage>>): string {
  const directory = mkdtempSync(join(scratch, 'layout-'));
  mkdirSync(join(directory, 'blobs/sha256'), { recursive: true });
  for (const [name, bytes] of Object.entries(layoutOf(images))) writeFileSync(join(directory, name), bytes);
  return directory;
}

const layout = writeLayout({ v1: image, v2: other });

const tooSlow =
  /: too slow: \d+ bytes\/s \(\d+ bytes in [\d.]+ s\), where 1000 bytes in 1 s are the least(; trying again| \(tried 2 times\))?$/;
const dripBody: Behaviour = (_, response, { headers, body }) =>
  drip(response, { status: 200, headers, body: Buffer.concat([body, Buffer.alloc(100_000, ' ')]) }, 1, 50);
const isLayer = (url: string) => digestsOf(image).some((digest) => url.includes(digest));
const drips: Readonly<Record<string, { at: (url: string) => boolean; behave: Behaviour; says: RegExp }>> = {
  'the manifest': { at: (url) => url.includes('/manifests/'), behave: dripBody, says: tooSlow },
  'the configuration': {
    at: (url) => url.includes('/blobs/') && !isLayer(url),
    behave: dripBody,
    says: tooSlow,
  },
  'a layer': {
    at: (url) => url.includes(digestsOf(image)[1] ?? ''),
    behave: (_, response, answer) => drip(response, answer, 1, 50),
    says: tooSlow,
  },
  'a URL': { at: () => true, behave: dripBody, says: tooSlow },
  'a token': {
    at: (url) => url.startsWith('/token'),
    behave: (request, response) => dripBody(request, response, json(200, { token: 'x' })),
    says: tooSlow,
  },
  headers: {
    at: (url) => url.includes('/manifests/'),
    behave: (_, response) => {
      response.socket?.write('HTTP/1.1 200 OK\r\n');
      dripHead(response, 'x: y\r\n', 50);
    },
    says: /: the connection failed: no answer for 4 s(; trying again| \(tried 2 times\))?$/,
  },
  'answers that are none yet': {
    at: (url) => url.includes('/manifests/'),
    behave: (_, response) => dripHead(response, 'HTTP/1.1 102 Processing\r\n\r\n', 50),
    says: /: the connection failed: no answer for 4 s(; trying again| \(tried 2 times\))?$/,
  },
  'one byte and no more': {
    at: (url) => url.includes(digestsOf(image)[1] ?? ''),
    behave: (_, response, answer) => breakAfter(response, answer, 1),
    says: /: the connection failed: /,
  },
};

const pulls = rounds(30, 100);

for (const [engine, pullWith] of Object.entries(engines)) {
  test.serial(`docker-registry, ${engine}: by tag and by digest`, async (t) => {
    await using registry = await DockerRegistry.start();
    const reference = await registry.push(`oci:${layout}:v1`, 'team/tools:v1');
    const options = optionsFor(t.title);
    const byTag = await pullWith(reference, options);
    t.is(byTag.error, undefined);
    t.is(byTag.digest, image.digest);
    t.deepEqual(byTag.layers, digestsOf(image));
    const byDigest = await pullWith(`${registry.address}/team/tools:gone@${image.digest}`, options);
    t.deepEqual(byDigest.layers, digestsOf(image));
    const wrong = await pullWith(`${registry.address}/team/tools:v7`, options);
    t.regex(wrong.error?.message ?? '', /^the manifest: 127.0.0.1:\d+: answers 404 \(manifest unknown\)$/);
    t.deepEqual(readdirSync(options.downloadDirectory), []);
  });

  test.serial(`docker-registry, ${engine}: basic auth`, async (t) => {
    await using registry = await DockerRegistry.start({ passwords: { me: 'open sesame' } });
    const reference = await registry.push(`oci:${layout}:v1`, 'team/tools:v1', 'me:open sesame');
    const credentials = writeAuths({ [`https://${registry.address}/v2/`]: 'me:open sesame' });
    const pulled = await pullWith(reference, optionsFor(t.title, { credentials }));
    t.is(pulled.error, undefined);
    t.deepEqual(pulled.layers, digestsOf(image));
    const anonymous = await pullWith(reference, optionsFor(t.title));
    t.regex(anonymous.error?.message ?? '', /answers 401 \(authentication required\)$/);
    t.regex(anonymous.error?.hint ?? '', /docker login/);
    const wrong = await pullWith(
      reference,
      optionsFor(t.title, { credentials: writeAuths({ [registry.address]: 'me:12345678' }) }),
    );
    t.regex(wrong.error?.hint ?? '', /log in to .* again/);
    t.notRegex(JSON.stringify(wrong), /12345678|MTIzNDU2Nzg/);
  });

  test.serial(`docker-registry, ${engine}: a private CA`, async (t) => {
    await using registry = await DockerRegistry.start({ tls: true });
    const reference = await registry.push(`oci:${layout}:v1`, 'team/tools:v1');
    const caFile = join(registry.directory, 'ca.pem');
    const pulled = await pullWith(reference, optionsFor(t.title, { caFile }));
    t.is(pulled.error, undefined);
    t.deepEqual(pulled.layers, digestsOf(image));
    const untrusted = await pullWith(reference, optionsFor(t.title));
    t.regex(untrusted.error?.message ?? '', /its certificate is not trusted: /);
    t.regex(untrusted.error?.hint ?? '', /--ca-file/);
    const noCa = await pullWith(reference, optionsFor(t.title, { caFile: join(layout, 'index.json') }));
    t.regex(noCa.error?.message ?? '', /has no certificate in it/);
  });

  test.serial(`${engine}: connections that break at random places: ${pulls} pulls, all right`, async (t) => {
    const random = randomOf(engine.length);
    let broken = 0;
    await using registry = await RegistryStandIn.start((request, response, answer) => {
      if (random() > 0.4) return send(request, response, answer);
      broken += 1;
      breakAfter(response, answer, Math.floor(random() * (answer.body.length + 1)) - 1);
    });
    const reference = registry.add(image);
    // Documents are not resumed: 0.4 to the power of 31 is never.
    const options = optionsFor(t.title, { patience: { ...quick, retries: 30 } });
    const requests = Array.from({ length: pulls }, () => ({ word: reference, options }));
    const results = engine === 'bun' ? await pullUnderBun(requests) : await oneByOne(requests);
    for (const { error, digest, layers } of results) {
      t.is(error, undefined);
      t.is(digest, image.digest);
      t.deepEqual(layers, digestsOf(image));
    }
    t.true(broken > pulls);
    t.true(registry.requests.some(({ headers }) => headers.range !== undefined));
    t.deepEqual(readdirSync(options.downloadDirectory), []);
  });

  test.serial(`${engine}: a server that falls silent is a break`, async (t) => {
    let silences = 0;
    await using registry = await RegistryStandIn.start((request, response, answer) => {
      if (!request.url?.includes('/blobs/') || answer.body.length < 1000 || silences >= 2)
        return send(request, response, answer);
      silences += 1;
      response.writeHead(answer.status, { 'content-length': answer.body.length, ...answer.headers });
      response.write(answer.body.subarray(0, 500));
    });
    const reference = registry.add(image);
    const options = optionsFor(t.title, { patience: { ...quick, idleMs: 4000 } });
    const pulled = await pullWith(reference, options);
    t.is(pulled.error, undefined);
    t.deepEqual(pulled.layers, digestsOf(image));
    t.true(pulled.events.some((event) => event.kind === 'retry' && /no byte for 4 s/.test(event.message)));
    registry.behave = () => {};
    const silent = await pullWith(reference, options);
    t.regex(silent.error?.message ?? '', /no answer for 4 s/);
  });

  for (const [what, { at, behave, says }] of Object.entries(drips))
    test.serial(`${engine}: a server that drips ${what}: ended, tried again, then told of`, async (t) => {
      let asked = 0;
      await using registry = await RegistryStandIn.start((request, response, answer) => {
        if (!at(request.url ?? '')) return send(request, response, answer);
        asked += 1;
        return behave(request, response, answer);
      });
      registry.tokens = what === 'a token';
      const word = what === 'a URL' ? `http://${registry.address}/rootfs.tar` : registry.add(image);
      // What is too slow is not to be silent as well on a busy machine.
      const idleMs = says === tooSlow ? 20_000 : 4000;
      const patience = { ...quick, idleMs, leastBytes: 1000, leastMs: 1000, retries: 1 };
      const options = optionsFor(t.title, { patience });
      const begun = performance.now();
      const { error, events } = await pullWith(word, options);
      t.regex(error?.message ?? '', says);
      t.true(error?.message.includes(`${registry.address}: `), error?.message);
      // On a busy machine the second one may be given up before it arrives.
      t.true(asked === 1 || asked === 2, `${asked} times`);
      t.true(
        events.some((event) => event.kind === 'retry' && says.test(event.message)),
        JSON.stringify(events),
      );
      t.regex(error?.hint ?? '', /run the same command again/);
      t.true(performance.now() - begun < 60_000);
      t.deepEqual(readdirSync(options.downloadDirectory), []);
    });

  test.serial(`${engine}: a proxy that falls silent is a break, like a server`, async (t) => {
    await using proxy = await ProxyServer.start({ to: '127.0.0.1:1', isSilent: true });
    // Nobody else here asks for what is not on this machine.
    process.env.HTTPS_PROXY = proxy.url;
    const patience = { ...quick, idleMs: 700, retries: 1 };
    const { error } = await pullWith('registry.example/tools:v1', optionsFor(t.title, { patience }));
    delete process.env.HTTPS_PROXY;
    t.regex(
      error?.message ?? '',
      /registry\.example: the connection failed: by the proxy 127\.0\.0\.1:\d+: /,
    );
    t.regex(
      error?.hint ?? '',
      /^see whether the proxy in HTTPS_PROXY is right and up, or name registry\.example in NO_PROXY/,
    );
    t.is(proxy.asked.length, 2);
  });

  test.serial(`${engine}: a redirect to another host goes there without credentials`, async (t) => {
    await using store = await RegistryStandIn.start();
    await using registry = await RegistryStandIn.start((request, response, answer) => {
      if (request.headers.authorization !== `Basic ${btoa('me:secret')}`)
        return send(request, response, json(401, {}, { 'www-authenticate': 'Basic realm="x"' }));
      if (!request.url?.includes('/blobs/')) return send(request, response, answer);
      response.writeHead(307, { location: `http://${store.address}${request.url}?signature=key` });
      response.end();
    });
    store.behave = (request, response) => {
      const digest = /blobs\/([^?]+)/.exec(request.url ?? '')?.[1] ?? '';
      send(request, response, { status: 200, headers: {}, body: registry.blobs.get(digest) ?? Buffer.of() });
    };
    const credentials = writeAuths({ [registry.address]: 'me:secret', [store.address]: 'me:secret' });
    const options = optionsFor(t.title, { credentials });
    const pulled = await pullWith(registry.add(image), options);
    t.is(pulled.error, undefined);
    t.deepEqual(pulled.layers, digestsOf(image));
    t.deepEqual(new Set(store.requests.map(({ headers }) => headers.authorization)), new Set([undefined]));
    store.behave = (request, response) =>
      send(request, response, json(401, {}, { 'www-authenticate': 'Basic realm="x"' }));
    const refused = await pullWith(registry.add(image), options);
    t.regex(refused.error?.message ?? '', /answers 401$/);
    t.notRegex(JSON.stringify(refused), /signature|secret|bWU6/);
    t.true(store.requests.every(({ headers }) => headers.authorization === undefined));
  });

  test.serial(
    `${engine}: a way to log in that is not said with the refusal is asked for at /v2/`,
    async (t) => {
      const credentials = writeAuths({ PLACE: 'me:secret' });
      for (const status of [401, 403, 404]) {
        await using registry = await RegistryStandIn.start((request, response, answer) => {
          if (request.headers.authorization === `Basic ${btoa('me:secret')}`)
            return send(request, response, answer);
          const challenges = { 'www-authenticate': ['Bearer error="no realm"', 'Basic realm="x"'] };
          if (request.url !== '/v2/') return send(request, response, json(status, {}));
          response.writeHead(401, challenges).end();
        });
        const reference = registry.add(image);
        const file = credentials.replace('config.json', `${status}.json`);
        writeFileSync(file, readFileSync(credentials, 'utf8').replace('PLACE', registry.address));
        const pulled = await pullWith(reference, optionsFor(t.title, { credentials: file }));
        t.is(pulled.error, undefined);
        t.deepEqual(pulled.layers, digestsOf(image));
        const { error } = await pullWith(reference, optionsFor(t.title));
        t.regex(error?.message ?? '', new RegExp(`answers ${status}$`));
        t.regex(error?.hint ?? '', /^log in to .* with docker login/);
      }
    },
  );

  test.serial(`${engine}: a registry without /v2/, whose tokens are for anybody`, async (t) => {
    await using registry = await RegistryStandIn.start((request, response, answer) => {
      if (request.url === '/v2/') return send(request, response, json(404, {}));
      if (request.url?.startsWith('/token')) return send(request, response, json(200, { token: 'x' }));
      if (request.headers.authorization === 'Bearer x') return send(request, response, answer);
      const challenges = ['Basic realm="x"', `Bearer realm="http://${registry.address}/token"`];
      response.writeHead(401, { 'www-authenticate': challenges }).end();
    });
    t.deepEqual((await pullWith(registry.add(image), optionsFor(t.title))).layers, digestsOf(image));
    t.is(registry.asked('/token').length, 1);
    t.true(registry.asked('/token').every(({ headers }) => headers.authorization === undefined));
    registry.behave = (request, response) => send(request, response, json(404, {}));
    const { error } = await pullWith(registry.add(image), optionsFor(t.title));
    t.is(error?.hint, 'check the name and the tag');
  });

  test.serial(`${engine}: bearer tokens that expire are fetched anew`, async (t) => {
    let issued = 0;
    let uses = 0;
    await using registry = await RegistryStandIn.start((request, response, answer) => {
      if (request.url?.startsWith('/token')) {
        t.is(request.headers.authorization, `Basic ${btoa('me:secret')}`);
        t.is(request.url, '/token?service=test+registry&scope=repository%3Ateam%2Ftools%3Apull');
        issued += 1;
        return send(request, response, json(200, { token: `token-${issued}`, expires_in: 1 }));
      }
      uses += 1;
      const isNew = request.headers.authorization === `Bearer token-${issued}` && uses % 3 !== 0;
      if (isNew) return send(request, response, answer);
      issued += 1; // What was issued is worth nothing now.
      const challenge = `Bearer realm="http://${registry.address}/token",service="test registry",scope="repository:team/tools:pull"`;
      send(request, response, json(401, {}, { 'www-authenticate': challenge }));
    });
    const credentials = writeAuths({ [registry.address]: 'me:secret' });
    const one = imageOf({ tars: tars.slice(0, 1) });
    const pulled = await pullWith(registry.add(one), optionsFor(t.title, { credentials }));
    t.is(pulled.error, undefined);
    t.deepEqual(pulled.layers, digestsOf(one));
    t.true(issued > 1);
  });
}

async function oneByOne(
  requests: readonly { readonly word: string; readonly options: Options }[],
): Promise<readonly Pulled[]> {
  const results: Pulled[] = [];
  for (const { word, options } of requests) results.push(await pull(word, options));
  return results;
}

const failures: Readonly<Record<string, { status: number; says: RegExp; hint: RegExp; isRetried: boolean }>> =
  {
    'no access': { status: 403, says: /answers 403 \(no\)$/, hint: /right to pull/, isRetried: false },
    'not there': { status: 404, says: /answers 404 \(no\)$/, hint: /check the name/, isRetried: false },
    'too many': {
      status: 429,
      says: /answers 429 \(no\) \(tried 4 times\)$/,
      hint: /limits/,
      isRetried: true,
    },
    'a bug there': {
      status: 500,
      says: /answers 500 \(no\) \(tried 4 times\)$/,
      hint: /something is wrong/,
      isRetried: true,
    },
    'a bug on the way': {
      status: 502,
      says: /answers 502 \(no\) \(tried 4 times\)$/,
      hint: /something is wrong/,
      isRetried: true,
    },
  };
for (const [what, { status, says, hint, isRetried }] of Object.entries(failures)) {
  for (const where of ['manifests', 'blobs']) {
    test.serial(`${status} for ${where}, ${what}: ${isRetried ? 'tried again' : 'final'}`, async (t) => {
      const digest = digestOf(image.layers[1] ?? Buffer.of());
      const part = where === 'manifests' ? 'manifests/v1' : digest;
      let refusals = 0;
      await using registry = await RegistryStandIn.start((request, response, answer) => {
        const isIt = request.url?.endsWith(part) === true;
        if (!isIt || refusals === 0) return send(request, response, answer);
        refusals -= 1;
        send(request, response, json(status, { errors: [{ message: 'no' }] }));
      });
      const options = optionsFor(t.title);
      const reference = registry.add(image);
      refusals = Number.POSITIVE_INFINITY;
      const { error, events } = await pull(reference, options);
      t.is(error?.subject, reference);
      t.regex(error?.message ?? '', says);
      t.regex(
        error?.message ?? '',
        where === 'blobs' ? new RegExp(`layer ${digest.slice(0, 19)}: `) : /^the manifest: /,
      );
      t.regex(error?.hint ?? '', hint);
      t.is(registry.asked(part).length, isRetried ? quick.retries + 1 : 1);
      const told = events.filter(({ kind }) => kind === 'retry');
      t.is(told.length, isRetried ? 1 : 0, 'once, and counted at the end');
      t.deepEqual(readdirSync(options.downloadDirectory), []);
      refusals = 2;
      t.is((await pull(reference, options)).error === undefined, isRetried);
    });
  }
}

test.serial('429 with Retry-After: not before that', async (t) => {
  let asked = 0;
  let first = 0;
  await using registry = await RegistryStandIn.start((request, response, answer) => {
    if (!request.url?.includes('/manifests/')) return send(request, response, answer);
    asked += 1;
    if (asked === 1) {
      first = performance.now();
      return send(request, response, json(429, {}, { 'retry-after': '1' }));
    }
    t.true(performance.now() - first > 900);
    send(request, response, answer);
  });
  t.is((await pull(registry.add(image), optionsFor(t.title))).error, undefined);
  registry.behave = (request, response) => send(request, response, json(429, {}, { 'retry-after': '86400' }));
  const { error } = await pull(registry.add(image), optionsFor(t.title));
  t.regex(error?.message ?? '', /answers 429$/, 'nobody waits for a day');
});

const badBlobs: Readonly<
  Record<string, { make: (blob: Buffer) => Buffer; says: RegExp; length?: 'said' | 'unsaid' }>
> = {
  'other bytes': { make: (b) => Buffer.alloc(b.length, 1), says: /has the digest sha256:/ },
  'too short': { make: (b) => b.subarray(1), says: /has \d+ bytes where the manifest says \d+/ },
  'too long': { make: (b) => Buffer.concat([b, b]), says: /has \d+ bytes where the manifest says \d+/ },
  'too short, without Content-Length': {
    make: (b) => b.subarray(1),
    says: /the blob ended after \d+ of \d+ bytes|does not send the part/,
    length: 'unsaid',
  },
  'too long, without Content-Length': {
    make: (b) => Buffer.concat([b, b]),
    says: /sends more than \d+ bytes/,
    length: 'unsaid',
  },
};
for (const [what, { make, says, length = 'said' }] of Object.entries(badBlobs)) {
  test.serial(`a blob that is wrong: ${what}`, async (t) => {
    const bad = digestOf(image.layers[1] ?? Buffer.of());
    await using registry = await RegistryStandIn.start((request, response, answer) => {
      if (!request.url?.endsWith(bad)) return send(request, response, answer);
      const body = make(image.layers[1] ?? Buffer.of());
      response.writeHead(200, length === 'said' ? { 'content-length': body.length } : {});
      response.end(body);
    });
    const options = optionsFor(t.title);
    const { error } = await pull(registry.add(image), options);
    t.regex(error?.message ?? '', says);
    t.regex(error?.message ?? '', new RegExp(`layer ${bad.slice(0, 19)}: `));
    t.deepEqual(readdirSync(options.downloadDirectory), []);
  });
}

test.serial('a server that ignores Range: the blob begins again', async (t) => {
  let breaks = 0;
  await using registry = await RegistryStandIn.start((request, response, answer) => {
    const digest = request.url?.split('/').at(-1) ?? '';
    const whole = { status: 200, headers: {}, body: registry.blobs.get(digest) ?? Buffer.of() };
    if (!request.url?.includes('/blobs/')) return send(request, response, answer);
    breaks += 1;
    if (breaks % 3 === 0) breakAfter(response, whole, 100);
    else send(request, response, whole);
  });
  const pulled = await pull(registry.add(image), optionsFor(t.title));
  t.is(pulled.error, undefined);
  t.deepEqual(pulled.layers, digestsOf(image));
});

test.serial('what a killed run left is used, when it is right', async (t) => {
  await using registry = await RegistryStandIn.start();
  const reference = registry.add(image);
  const options = optionsFor(t.title);
  const [whole, begun, rotten, rottenPart] = image.layers;
  if (!whole || !begun || !rotten || !rottenPart) return t.fail();
  const path = (blob: Buffer, suffix = '') =>
    join(options.downloadDirectory, `blob-${digestOf(blob).slice(7)}${suffix}`);
  writeFileSync(path(whole), whole);
  writeFileSync(path(begun, '.partial'), begun.subarray(0, 1000));
  writeFileSync(path(rotten), Buffer.alloc(rotten.length, 1));
  writeFileSync(path(rottenPart, '.partial'), Buffer.alloc(1000, 1));
  writeFileSync(join(options.downloadDirectory, `blob-${'0'.repeat(64)}`), 'of another image');
  const pulled = await pull(reference, options);
  t.is(pulled.error, undefined);
  t.deepEqual(pulled.layers, digestsOf(image));
  t.is(registry.asked(digestOf(whole)).length, 0);
  t.deepEqual(
    registry.asked(digestOf(begun)).map(({ headers }) => headers.range),
    ['bytes=1000-'],
  );
  t.is(registry.asked(digestOf(rotten)).length, 1);
  t.deepEqual(
    registry.asked(digestOf(rottenPart)).map(({ headers }) => headers.range),
    ['bytes=1000-', undefined],
  );
  t.deepEqual(readdirSync(options.downloadDirectory), []);
});

test.serial('a layer that is there twice is fetched once', async (t) => {
  await using registry = await RegistryStandIn.start();
  const twice = imageOf({ tars: [tars[0], tars[1], tars[0]].flatMap((tar) => tar ?? []) });
  const pulled = await pull(registry.add(twice), optionsFor(t.title));
  t.deepEqual(pulled.layers, digestsOf(twice));
  t.is(registry.asked(digestOf(twice.layers[0] ?? Buffer.of())).length, 1);
});

test.serial('three blobs at once, and no fourth', async (t) => {
  const waiting: (() => void)[] = [];
  let isOpen = false;
  await using registry = await RegistryStandIn.start((request, response, answer) => {
    const isLayer = request.url?.includes('/blobs/') === true && !answer.body.equals(image.config);
    if (!isLayer || isOpen) return send(request, response, answer);
    waiting.push(() => send(request, response, answer));
    if (waiting.length !== 3) return;
    // Time for a fourth one, if there were one.
    setTimeout(() => {
      isOpen = true;
      t.is(waiting.length, 3);
      for (const answerIt of waiting) answerIt();
    }, 100);
  });
  const pulled = await pull(registry.add(image), optionsFor(t.title));
  t.deepEqual(pulled.layers, digestsOf(image));
  t.true(isOpen);
});

test.serial('an index: the image for the platform, or a list of those there are', async (t) => {
  await using registry = await RegistryStandIn.start();
  const arm = imageOf({ tars: tars.slice(0, 1), architecture: 'arm64' });
  registry.add(image);
  registry.add(arm);
  const index = indexOf({ 'linux/amd64': image, 'linux/arm64/v8': arm, 'unknown/unknown': other });
  registry.tags.set('both', index);
  const reference = `${registry.address}/team/tools:both`;
  t.is((await pull(reference, optionsFor(t.title))).digest, image.digest);
  const platform = { os: 'linux', architecture: 'arm64' } as const;
  t.is((await pull(reference, optionsFor(t.title, { platform }))).digest, arm.digest);
  const pinned = optionsFor(t.title, { expectedDigest: digestOf(index) });
  t.is((await pull(reference, pinned)).digest, image.digest);
  registry.tags.set('arm', indexOf({ 'linux/arm64/v8': arm, 'linux/s390x': other }));
  const { error } = await pull(`${registry.address}/team/tools:arm`, optionsFor(t.title));
  t.regex(
    error?.message ?? '',
    /no image for linux\/amd64; there is one for linux\/arm64\/v8, linux\/s390x$/,
  );
  registry.tags.set('arm', arm.manifest);
  const single = await pull(`${registry.address}/team/tools:arm`, optionsFor(t.title));
  t.regex(single.error?.message ?? '', /the image is for linux\/arm64, not for linux\/amd64/);
});

test.serial(
  'a tag that moves between index and manifest: the image of the index, whole, or an error',
  async (t) => {
    await using registry = await RegistryStandIn.start((request, response, answer) => {
      if (request.url?.endsWith('/v1')) registry.tags.set('v1', other.manifest);
      send(request, response, answer);
    });
    const reference = registry.add(image);
    registry.tags.set('v1', indexOf({ 'linux/amd64': image }));
    const pulled = await pull(reference, optionsFor(t.title));
    t.is(pulled.digest, image.digest);
    t.deepEqual(pulled.layers, digestsOf(image));
    registry.tags.set('v1', indexOf({ 'linux/amd64': image }));
    registry.blobs.delete(image.digest);
    const { error } = await pull(reference, optionsFor(t.title));
    t.regex(error?.message ?? '', new RegExp(`the manifest ${image.digest.slice(0, 19)}: .*answers 404`));
  },
);

test.serial('a manifest with another digest than asked for, said or expected', async (t) => {
  await using registry = await RegistryStandIn.start();
  const reference = registry.add(image);
  registry.blobs.set(image.digest, other.manifest);
  const byDigest = await pull(`${registry.address}/team/tools@${image.digest}`, optionsFor(t.title));
  t.regex(byDigest.error?.message ?? '', new RegExp(`its digest is ${other.digest}, not ${image.digest}`));
  const moved = await pull(reference, optionsFor(t.title, { expectedDigest: other.digest }));
  t.regex(moved.error?.message ?? '', new RegExp(`is ${image.digest}, not ${other.digest}`));
  registry.behave = (request, response, answer) =>
    send(request, response, { ...answer, headers: { 'docker-content-digest': other.digest } });
  const said = await pull(reference, optionsFor(t.title));
  t.regex(said.error?.message ?? '', new RegExp(`its digest is ${image.digest}, not ${other.digest}`));
});

const badManifests: Readonly<Record<string, { bytes: Buffer; says: RegExp }>> = {
  'schema 1': {
    bytes: Buffer.from('{"schemaVersion": 1, "name": "x", "fsLayers": []}'),
    says: /first format \(schema 1\)/,
  },
  'no JSON': {
    bytes: Buffer.from('"sch'),
    says: /is not valid JSON: line 1, column 1: a value is expected$/,
  },
  'a list': { bytes: Buffer.from('[1]'), says: /is not as it should be: config/ },
  'larger than 4 MiB': { bytes: Buffer.alloc(5 << 20, ' '), says: /is larger than 4 MiB/ },
  'CVE-2021-41190, both index and manifest': {
    bytes: Buffer.from('{"manifests": [], "layers": [], "config": {}}'),
    says: /could be both/,
  },
  'a chart': {
    bytes: imageOf({
      tars: [],
      change: (m) => ({
        ...m,
        config: { ...Object(m.config), mediaType: 'application/vnd.cncf.helm.config.v1+json' },
      }),
    }).manifest,
    says: /is no container image: .*helm/,
  },
  'a layer of an unknown type': {
    bytes: imageOf({
      tars: tars.slice(0, 1),
      change: (m) => ({ ...m, layers: [{ ...Object(m.layers)[0], mediaType: 'application/x-squashfs' }] }),
    }).manifest,
    says: /the layer sha256:[0-9a-f]{12} is of an unknown type, application\/x-squashfs/,
  },
  'a digest that is a path': {
    bytes: imageOf({
      tars: [],
      change: (m) => ({ ...m, config: { ...Object(m.config), digest: '../../etc/passwd' } }),
    }).manifest,
    says: /config.digest: is not sha256: and 64/,
  },
};
for (const [what, { bytes, says }] of Object.entries(badManifests)) {
  test.serial(`a manifest that is refused: ${what}`, async (t) => {
    await using registry = await RegistryStandIn.start((request, response, answer) => {
      if (!request.url?.includes('/manifests/')) return send(request, response, answer);
      send(request, response, { status: 200, headers: { 'content-type': 'application/json' }, body: bytes });
    });
    const { error } = await pull(registry.add(image), optionsFor(t.title));
    t.regex(error?.message ?? '', says);
    t.is(error?.subject, `${registry.address}/team/tools:v1`);
  });
}

test.serial('mirrors in order, then the registry; each with its own credentials', async (t) => {
  await using empty = await RegistryStandIn.start();
  await using partial = await RegistryStandIn.start();
  await using registry = await RegistryStandIn.start();
  const reference = registry.add(image);
  partial.add(image);
  partial.blobs.delete(digestOf(image.layers[0] ?? Buffer.of()));
  const wrong = digestOf(image.layers[1] ?? Buffer.of());
  partial.blobs.set(wrong, Buffer.alloc(image.layers[1]?.length ?? 0, 1));
  const mirrors = { [registry.address]: ['127.0.0.1:1', empty.address, `http://${partial.address}/cache`] };
  const pulled = await pull(reference, optionsFor(t.title, { mirrors }));
  t.is(pulled.error, undefined);
  t.deepEqual(pulled.layers, digestsOf(image));
  t.true(partial.requests.every(({ url }) => url === '/v2/' || url.startsWith('/v2/cache/team/tools/')));
  t.deepEqual(
    registry.requests
      .map(({ url }) => url.split('/').at(-1))
      .filter((name) => name !== '')
      .sort(),
    [digestOf(image.layers[0] ?? Buffer.of()), wrong].sort(),
  );
});

test.serial('the first failure ends the other downloads', async (t) => {
  const digest = digestOf(image.layers[0] ?? Buffer.of());
  await using registry = await RegistryStandIn.start((request, response, answer) => {
    if (!request.url?.includes('/blobs/') || answer.body.equals(image.config))
      return send(request, response, answer);
    if (request.url.endsWith(digest)) send(request, response, json(403, {}));
    // The others never answer.
  });
  const options = optionsFor(t.title, { patience: { ...quick, idleMs: 100_000 } });
  const { error } = await pull(registry.add(image), options);
  t.regex(error?.message ?? '', /answers 403$/);
});

test.serial('a full disk: said so, and not tried again', async (t) => {
  await using registry = await RegistryStandIn.start();
  const word = registry.add(imageOf({ tars: [await tarOf({ large: noise(300_000, 1) })] }));
  const options = optionsFor(t.title);
  const script = 'mount -t tmpfs -o size=64k tmpfs "$1" && exec "$2" "$3"';
  const program = [process.execPath, join(repository, 'test/support/image/pull.ts')];
  const args = [
    '-m',
    '--propagation=private',
    'sh',
    '-c',
    script,
    'sh',
    options.downloadDirectory,
    ...program,
  ];
  const { stdout } = await execa('unshare', args, { input: JSON.stringify([{ word, options }]) });
  const [{ error, events }] = JSON.parse(stdout);
  t.regex(error.message, /^the layer sha256:[0-9a-f]{12}: ENOSPC/);
  t.is(error.hint, 'the disk is full: make room, then try again');
  t.false(events.some(({ kind }: { kind: string }) => kind === 'retry'));
});

test.serial('an identity token is posted to the token service, and only there', async (t) => {
  const forms: string[] = [];
  await using registry = await RegistryStandIn.start(async (request, response, answer) => {
    if (request.url === '/token') {
      forms.push(await text(request));
      return send(request, response, json(200, { access_token: 'short-lived' }));
    }
    if (request.headers.authorization === 'Bearer short-lived') return send(request, response, answer);
    const challenge = `Bearer realm="http://${registry.address}/token",service="test"`;
    send(request, response, json(401, {}, { 'www-authenticate': challenge }));
  });
  const credentials = join(mkdtempSync(join(scratch, 'docker-')), 'config.json');
  const reference = registry.add(image);
  writeFileSync(
    credentials,
    JSON.stringify({ auths: { [registry.address]: { identitytoken: 'long-lived' } } }),
  );
  const pulled = await pull(reference, optionsFor(t.title, { credentials }));
  t.is(pulled.error, undefined);
  t.deepEqual(forms, [
    'service=test&scope=repository%3Ateam%2Ftools%3Apull&grant_type=refresh_token&refresh_token=long-lived&client_id=mounter',
  ]);
  t.false(
    registry.requests.some(({ url, headers }) => `${url}${JSON.stringify(headers)}`.includes('long-lived')),
  );
  registry.behave = (request, response, answer) => {
    if (request.url === '/token') response.writeHead(307, { location: 'http://127.0.0.1:1/' }).end();
    else if (request.url === '/v2/') send(request, response, answer);
    else {
      const realm = `http://${registry.address}/token`;
      send(request, response, json(401, {}, { 'www-authenticate': `Bearer realm="${realm}"` }));
    }
  };
  const { error } = await pull(reference, optionsFor(t.title, { credentials }));
  t.regex(error?.message ?? '', /the token for it: .*answers 307$/);
});

const strangers: Readonly<
  Record<string, { token: number; hint: RegExp; config?: string; challenge?: string }>
> = {
  'no token for strangers': { token: 403, hint: /^log in to .* with docker login/ },
  'a token that is worth nothing to strangers': { token: 200, hint: /^log in to .* with docker login/ },
  'no token for this user': { token: 401, hint: /^log in to .* again/, config: 'me:secret' },
  'a token service without a name': { token: 403, hint: /with docker login/, challenge: '' },
};
for (const [what, { token, hint, config, challenge = ',service="test"' }] of Object.entries(strangers))
  test.serial(`the hint where there is ${what}`, async (t) => {
    await using registry = await RegistryStandIn.start((request, response) => {
      if (request.url?.startsWith('/token')) return send(request, response, json(token, { token: 'x' }));
      const realm = `Bearer realm="http://${registry.address}/token"${challenge}`;
      send(request, response, json(401, {}, { 'www-authenticate': realm }));
    });
    const credentials = writeAuths(config === undefined ? {} : { [registry.address]: config });
    const { error } = await pull(registry.add(image), optionsFor(t.title, { credentials }));
    t.regex(error?.hint ?? '', hint);
    t.notRegex(JSON.stringify(error), /secret|bWU6/);
    const asked = registry.asked('/token')[0]?.url;
    t.is(asked, `/token?${challenge === '' ? '' : 'service=test&'}scope=repository%3Ateam%2Ftools%3Apull`);
  });

test.serial('nothing is fetched but the documents until a layer is opened', async (t) => {
  await using registry = await RegistryStandIn.start();
  const opened = await openSource(registry.add(image), { ...optionsFor(t.title), progress: () => t.fail() });
  t.is(opened.content.digest, image.digest);
  t.is(opened.content.config?.labels.purpose, 'test');
  await opened.dispose();
  await opened.dispose();
  t.deepEqual(
    registry.requests.map(({ url }) => url.split('/').at(-1)),
    ['v1', digestOf(image.config)],
  );
});

test.serial('disposed of in the middle: nothing goes on, nothing is left', async (t) => {
  await using registry = await RegistryStandIn.start((request, response, answer) => {
    if (!request.url?.includes('/blobs/') || answer.body.length < 1000)
      return send(request, response, answer);
    response.writeHead(200, { 'content-length': answer.body.length });
    response.write(answer.body.subarray(0, 500));
  });
  const options = optionsFor(t.title);
  const received = Promise.withResolvers<void>();
  const progress: SourceOptions['progress'] = ({ kind }) => kind === 'received' && received.resolve();
  const opened = await openSource(registry.add(image), { ...options, progress });
  const layer = opened.content.layers[1]?.open();
  await received.promise;
  await opened.dispose();
  await t.throwsAsync(layer ?? Promise.resolve(), { message: 'not wanted any more' });
  t.deepEqual(readdirSync(options.downloadDirectory), []);
});

test.serial('plain http: only on loopback, or when asked', async (t) => {
  const { error } = await pull('http://registry.example/rootfs.tar', optionsFor(t.title));
  t.regex(error?.message ?? '', /is without TLS/);
  const mirrors = { 'registry.example': ['http://mirror.example/cache'] };
  const mirrored = await pull('registry.example/tools:v1', optionsFor(t.title, { mirrors }));
  t.is(mirrored.error?.subject, '--mirror http://mirror.example');
  t.regex(mirrored.error?.hint ?? '', /--plain-http/);
  t.deepEqual(mirrored.events, [], 'nobody was asked');
});

test.serial('a URL: resumed, and any tar', async (t) => {
  const tar = await tarOf({ 'etc/os-release': noise(100_000, 9) });
  let tries = 0;
  await using server = await RegistryStandIn.start((request, response) => {
    tries += 1;
    const start = Number(/\d+/.exec(request.headers.range ?? '')?.[0] ?? 0);
    const headers = { etag: '"one"', 'content-range': `bytes ${start}-${tar.length - 1}/${tar.length}` };
    const answer = { status: start > 0 ? 206 : 200, headers, body: tar.subarray(start) };
    if (tries < 4) breakAfter(response, answer, 20_000);
    else send(request, response, answer);
  });
  const options = optionsFor(t.title);
  const pulled = await pull(`http://me:secret@${server.address}/rootfs.tar?signature=1`, options);
  t.is(pulled.error, undefined);
  t.is(pulled.digest, digestOf(tar));
  t.deepEqual(pulled.layers, [digestOf(tar)]);
  t.is(server.requests[1]?.headers['if-range'], '"one"');
  t.is(server.requests[0]?.headers.authorization, `Basic ${btoa('me:secret')}`);
  t.notRegex(JSON.stringify(pulled), /signature|secret/);
  t.deepEqual(readdirSync(options.downloadDirectory), []);
  const expected = optionsFor(t.title, { expectedDigest: other.digest });
  const { error } = await pull(`http://${server.address}/rootfs.tar`, expected);
  t.regex(error?.message ?? '', /the digest of its contents is sha256:/);
  t.deepEqual(readdirSync(expected.downloadDirectory), []);
});
