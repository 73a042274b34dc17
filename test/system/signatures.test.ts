import { createPrivateKey, createPublicKey, sign } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { execa } from 'execa';
import { readSigningKey } from '../../scripts/image/signing-key.ts';
import { repository } from '../../scripts/paths.ts';
import { MounterError } from '../../src/errors.ts';
import { preAuthenticated } from '../../src/image/signatures/claim.ts';
import { requireSigned } from '../../src/image/signatures/demands.ts';
import { openSource } from '../../src/image/source.ts';
import { Cosign, type KeyKind, type KeyPair } from '../support/image/cosign.ts';
import { DockerRegistry } from '../support/image/docker-registry.ts';
import { type Json, RegistryClient } from '../support/image/registry-client.ts';
import { RegistryStandIn, send } from '../support/image/registry-stand-in.ts';
import { imageOf, indexOf, jsonOf, layoutOf, tarOf } from '../support/image/test-image.ts';
import { ensureCosign } from '../support/packages/cosign.ts';

/** Debian's cosign signs, in a real registry; the executable verifies, and refuses what somebody has tampered with. */

const simpleType = 'application/vnd.dev.cosign.simplesigning.v1+json';
const signatureName = 'dev.cosignproject.cosign/signature';

const scratch = mkdtempSync(join(tmpdir(), 'signatures-'));
const kinds: readonly KeyKind[] = ['ecdsa', 'ed25519', 'rsa'];
let registry: DockerRegistry;
let cosign: Cosign;
let keys: Readonly<Record<KeyKind | 'other', KeyPair>>;
/** Of one image, by cosign with the key `ecdsa`. */
let original: { readonly simple: Simple; readonly bundle: Bundle };

test.before(async () => {
  [registry, cosign] = await Promise.all([DockerRegistry.start(), Cosign.prepare(scratch)]);
  const [ecdsa, ed25519, rsa] = await Promise.all(kinds.map((kind) => cosign.keyPair(kind)));
  const other = await cosign.keyPair('ecdsa', 'other');
  if (ecdsa === undefined || ed25519 === undefined || rsa === undefined) throw new Error('no keys');
  keys = { ecdsa, ed25519, rsa, other };
  original = await signOriginal();
});

async function signOriginal(): Promise<typeof original> {
  const { name, digest } = await pushImage();
  await cosign.sign('old', `${name}@${digest}`, keys.ecdsa);
  await cosign.sign('current', `${name}@${digest}`, keys.ecdsa);
  const client = new RegistryClient(name);
  const layerOf = async (tag: string) => ((await client.manifest(tag)).layers as readonly Layer[])[0];
  const tag = digest.replace(':', '-');
  const simple = await layerOf(`${tag}.sig`);
  const [referrer] = (await client.manifest(tag)).manifests as readonly Layer[];
  const bundle = await layerOf(referrer?.digest ?? '');
  const signature = simple?.annotations?.[signatureName] ?? '';
  return {
    simple: { payload: await client.blob(simple?.digest ?? ''), signature },
    bundle: JSON.parse(String(await client.blob(bundle?.digest ?? ''))),
  };
}

interface Layer {
  readonly digest: string;
  readonly annotations?: Readonly<Record<string, string>>;
}

test.after.always(async () => {
  await registry?.[Symbol.asyncDispose]();
  rmSync(scratch, { recursive: true, force: true });
});

let images = 0;

/** An image like no other, in a repository of its own. */
async function pushImage() {
  images += 1;
  const name = `${registry.address}/team/tools${images}`;
  const image = imageOf({ tars: [await tarOf({ name })] });
  await new RegistryClient(name).putImage(image, 'v1');
  return { name, digest: image.digest, image };
}

function writeLayout(name: string, files: Readonly<Record<string, Buffer>>): string {
  const directory = join(scratch, name);
  mkdirSync(join(directory, 'blobs/sha256'), { recursive: true });
  for (const [file, bytes] of Object.entries(files)) writeFileSync(join(directory, file), bytes);
  return directory;
}

let installed = 0;

/** By the executable, on this machine: `--into` touches nothing else. */
async function install(source: string, ...flags: readonly string[]) {
  installed += 1;
  const into = join(scratch, `into${installed}`);
  const { exitCode, stdout, stderr } = await execa(
    join(repository, 'dist/mounter'),
    ['install', source, '--into', into, '-v', ...flags],
    { env: { MOUNTER_HOME: join(scratch, 'home'), HOME: scratch }, reject: false },
  );
  return { status: exitCode, stdout, stderr };
}

/** What an install would say against `source`; '' where it would take it. In this process: it is quicker. */
async function objection(source: string, ...verifyKeys: readonly string[]): Promise<string> {
  const downloadDirectory = mkdtempSync(join(scratch, 'downloads-'));
  const platform = { os: 'linux', architecture: 'amd64' } as const;
  const options = { platform, downloadDirectory, plainHttp: false, mirrors: {}, progress: () => {} };
  try {
    const { content, dispose } = await openSource(source, options);
    try {
      await requireSigned(content, { verifyKeys, shipped: [], own: undefined }, () => {});
    } finally {
      await dispose();
    }
    return '';
  } catch (error) {
    if (!(error instanceof MounterError)) throw error;
    return `${error.subject}: ${error.message}\nhint: ${error.hint}`;
  }
}

for (const version of ['old', 'current'] as const) {
  for (const kind of kinds) {
    test.serial(
      `cosign, ${version}, ${kind}: what is signed is installed, with its own key alone`,
      async (t) => {
        const { name, digest } = await pushImage();
        await cosign.sign(version, `${name}@${digest}`, keys[kind]);
        const right = await install(
          `${name}:v1`,
          '--verify-key',
          keys.other.publicPem,
          '--verify-key',
          keys[kind].publicPem,
        );
        t.is(right.status, 0, right.stderr);
        t.true(right.stderr.includes(`${digest} is signed by ${keys[kind].publicPem}`), right.stderr);
        const wrong = await install(`${name}:v1`, '--verify-key', keys.other.publicPem);
        t.is(wrong.status, 2, wrong.stderr);
        t.regex(
          wrong.stderr,
          /has no signature by .*other\.pub, .*: it is of another key, or was changed\nhint: /,
        );
      },
    );
  }
}

test.serial('offline: what cosign saves of either format, as a directory and as a tar', async (t) => {
  for (const version of ['old', 'current'] as const) {
    const { name, digest } = await pushImage();
    await cosign.sign(version, `${name}@${digest}`, keys.rsa);
    const saved = join(scratch, `saved-${version}`);
    await cosign.save(`${name}@${digest}`, saved);
    await execa('tar', ['-C', saved, '-cf', `${saved}.tar`, '.']);
    for (const source of [`oci:${saved}`, `${saved}.tar`]) {
      t.is((await install(source, '--verify-key', keys.rsa.publicPem)).status, 0, source);
      t.regex(await objection(source, keys.other.publicPem), /it is of another key/);
    }
  }
  const { image } = await pushImage();
  const plain = writeLayout('unsigned', layoutOf({ v1: image }));
  t.regex(
    await objection(plain, keys.rsa.publicPem),
    /: has no signature, which --verify-key asks for\nhint: .*cosign save/,
  );
});

test.serial('offline: a signature that skopeo has brought along by its tag', async (t) => {
  const { name, digest } = await pushImage();
  await cosign.sign('old', `${name}@${digest}`, keys.ecdsa);
  const directory = join(scratch, 'by-skopeo');
  for (const tag of ['v1', `${digest.replace(':', '-')}.sig`])
    await execa('skopeo', [
      '--insecure-policy',
      'copy',
      '--preserve-digests',
      '--src-tls-verify=false',
      `docker://${name}:${tag}`,
      `oci:${directory}:${tag}`,
    ]);
  t.is(await objection(directory, keys.ecdsa.publicPem), '');
});

test.serial(
  'a name is no part of what is verified, as for cosign: an image that was copied with its signature',
  async (t) => {
    const { name, digest, image } = await pushImage();
    await cosign.sign('old', `${name}@${digest}`, keys.ecdsa);
    const tag = `${digest.replace(':', '-')}.sig`;
    const copy = `${registry.address}/elsewhere/tools`;
    await new RegistryClient(copy).putImage(image, 'v1');
    await execa('skopeo', [
      '--insecure-policy',
      'copy',
      ...['src', 'dest'].map((side) => `--${side}-tls-verify=false`),
      `docker://${name}:${tag}`,
      `docker://${copy}:${tag}`,
    ]);
    await cosign.verify('old', `${copy}:v1`, keys.ecdsa.publicPem);
    t.is(await objection(`${copy}:v1`, keys.ecdsa.publicPem), '');
  },
);

test.serial('an index: what was asked for has to be signed, as for cosign', async (t) => {
  const { name, digest, image } = await pushImage();
  const client = new RegistryClient(name);
  const index = await client.putManifest(JSON.parse(String(indexOf({ 'linux/amd64': image }))), 'index');
  await cosign.sign('current', `${name}@${index.digest}`, keys.ecdsa);
  t.is(await objection(`${name}:index`, keys.ecdsa.publicPem), '');
  t.regex(await objection(`${name}@${digest}`, keys.ecdsa.publicPem), /: has no signature, /);
  const second = await pushImage();
  await cosign.sign('old', `${second.name}@${second.digest}`, keys.ecdsa);
  const document = JSON.parse(String(indexOf({ 'linux/amd64': second.image })));
  await new RegistryClient(second.name).putManifest(document, 'index');
  t.regex(await objection(`${second.name}:index`, keys.ecdsa.publicPem), /: has no signature, /);
  await t.throwsAsync(cosign.verify('current', `${second.name}:index`, keys.ecdsa.publicPem));
});

test.serial('a registry with the interface for referrers, among them other things', async (t) => {
  const { name, digest, image } = await pushImage();
  await cosign.sign('current', `${name}@${digest}`, keys.ecdsa);
  await using standIn = await RegistryStandIn.start();
  const reference = standIn.add(image);
  const real = new RegistryClient(name);
  const list = await real.manifest(digest.replace(':', '-'));
  for (const { digest: of } of list.manifests as readonly { readonly digest: string }[]) {
    const manifest = await real.manifest(of);
    for (const one of [manifest.config, ...(manifest.layers as readonly Json[])] as readonly {
      readonly digest: string;
    }[])
      standIn.blobs.set(one.digest, await real.blob(one.digest));
    standIn.blobs.set(of, Buffer.from(JSON.stringify(manifest)));
  }
  const sbom = imageOf({ tars: [], change: (it) => ({ ...it, artifactType: 'application/spdx+json' }) });
  for (const [of, bytes] of sbom.blobs) standIn.blobs.set(of, bytes);
  const manifests = [
    { mediaType: 'application/vnd.oci.image.manifest.v1+json', digest: sbom.digest, size: 1 },
    ...(list.manifests as Json[]),
  ];
  let pages: readonly (readonly Json[])[] = [manifests];
  const asked: string[] = [];
  standIn.behave = (request, response, answer) => {
    const [path, query = ''] = (request.url ?? '').split('?');
    if (path?.endsWith(`/referrers/${digest}`) !== true) return send(request, response, answer);
    asked.push(query);
    const at = Number(new URLSearchParams(query).get('last') ?? 0);
    // As others answer: a whole URL, of a host by which nobody comes to it.
    const link = `<http://elsewhere.example/v2/x/referrers/${digest}?n=1&last=${at + 1}>; rel="next"`;
    const more: { readonly headers?: Record<string, string> } =
      at + 1 < pages.length ? { headers: { ...answer.headers, link } } : {};
    return send(request, response, {
      ...answer,
      ...more,
      status: 200,
      body: jsonOf({ schemaVersion: 2, manifests: pages[at] ?? [] }),
    });
  };
  t.is(await objection(reference, keys.ecdsa.publicPem), '');
  pages = manifests.map((one) => [one]);
  asked.length = 0;
  t.is(await objection(reference, keys.ecdsa.publicPem), '', 'a list of several pages');
  t.deepEqual(asked, ['', ...pages.slice(1).map((_, at) => `n=1&last=${at + 1}`)]);
  pages = [[]];
  t.regex(await objection(reference, keys.ecdsa.publicPem), /: has no signature, /);
  pages = Array.from({ length: 1000 }, () => []);
  asked.length = 0;
  t.regex(await objection(reference, keys.ecdsa.publicPem), /: has no signature, /, 'no end of them');
  t.is(asked.length, 100);
});

interface Simple {
  readonly payload: Buffer;
  readonly signature: string;
  readonly type?: string;
}
interface Bundle extends Json {
  readonly dsseEnvelope: {
    readonly payload: string;
    readonly payloadType: string;
    readonly signatures: readonly { readonly sig: string }[];
  };
}

function signed(bytes: Buffer): string {
  return sign('sha256', bytes, createPrivateKey(readFileSync(keys.ecdsa.privatePem))).toString('base64');
}

/** Another bit in the middle of it. */
function flipped(base64: string): string {
  const bytes = Buffer.from(base64, 'base64');
  bytes[10] = (bytes[10] ?? 0) ^ 1;
  return bytes.toString('base64');
}

function edited(payload: Buffer, change: (text: string) => string): Buffer {
  const after = Buffer.from(change(String(payload)));
  if (after.equals(payload)) throw new Error('nothing was changed');
  return after;
}

/** What somebody makes of a signature of the first format that cosign has made. */
const tamperedSimple: Readonly<Record<string, readonly [(it: Simple, digest: string) => Simple, RegExp]>> = {
  'another digest, in the payload of another image': [(it) => it, /: it is for sha256:[0-9a-f]{12}\nhint: /],
  'a payload with the right digest put into it': [
    ({ payload, signature }, digest) => ({
      payload: edited(payload, (text) => text.replace(/sha256:[0-9a-f]{64}/, digest)),
      signature,
    }),
    /: it is of another key, or was changed\n/,
  ],
  'another signature': [
    ({ payload, signature }) => ({ payload, signature: flipped(signature) }),
    /another key, or was changed\n/,
  ],
  'no signature at all': [({ payload }) => ({ payload, signature: '' }), /another key, or was changed\n/],
  'another media type': [
    (it) => ({ ...it, type: 'application/octet-stream\x1b[2J\n' }),
    /: it is of the type application\/octet-stream[^\x00-\x1f]+\nhint: /,
  ],
  'a payload of another kind, by the right key': [
    ({ payload }, digest) => {
      const other = edited(payload, (text) =>
        text.replace('cosign container image', 'atomic container').replace(/sha256:[0-9a-f]{64}/, digest),
      );
      return { payload: other, signature: signed(other) };
    },
    /: what is signed is not said to be an image\n/,
  ],
  'a payload of 5 MiB, by the right key': [
    ({ payload }, digest) => {
      const long = edited(
        payload,
        (text) => `${text.replace(/sha256:[0-9a-f]{64}/, digest)}${' '.repeat(5 << 20)}`,
      );
      return { payload: long, signature: signed(long) };
    },
    /is larger than 4 MiB/,
  ],
};
for (const [what, [change, says]] of Object.entries(tamperedSimple)) {
  test.serial(`refused, in the first format: ${what}`, async (t) => {
    const { name, digest } = await pushImage();
    const { payload, signature, type = simpleType } = change(original.simple, digest);
    await new RegistryClient(name).putSimple(digest, payload, { [signatureName]: signature }, type);
    t.regex(await objection(`${name}:v1`, keys.ecdsa.publicPem), says);
  });
}

function withEnvelope(bundle: Bundle, change: Partial<Bundle['dsseEnvelope']>): Json {
  return { ...bundle, dsseEnvelope: { ...bundle.dsseEnvelope, ...change } };
}

function forDigest({ dsseEnvelope: { payload } }: Bundle, digest: string): Buffer {
  return edited(Buffer.from(payload, 'base64'), (text) => text.replace(/[0-9a-f]{64}/, digest.slice(7)));
}

/** The same of a bundle. */
const tamperedBundle: Readonly<Record<string, readonly [(it: Bundle, digest: string) => Json, RegExp]>> = {
  'the bundle of another image': [(it) => it, /: it is for sha256:[0-9a-f]{12}\n/],
  'a payload with the right digest put into it': [
    (it, digest) => withEnvelope(it, { payload: forDigest(it, digest).toString('base64') }),
    /: it was changed since it was signed\n/,
  ],
  'another signature': [
    (it) =>
      withEnvelope(it, { signatures: it.dsseEnvelope.signatures.map(({ sig }) => ({ sig: flipped(sig) })) }),
    /: it was changed since it was signed\n/,
  ],
  'no signature at all': [
    (it) => withEnvelope(it, { signatures: [] }),
    /: it was changed since it was signed\n/,
  ],
  'a payload of another type': [
    (it) => withEnvelope(it, { payloadType: 'application/json' }),
    /: it is no bundle with a signature of an image\n/,
  ],
  'a signature of a file': [
    ({ dsseEnvelope: { signatures }, ...it }) => ({
      ...it,
      messageSignature: { signature: signatures[0]?.sig },
    }),
    /: it is no bundle with a signature of an image\n/,
  ],
  'the right key under a payload that was signed without its type': [
    (it, digest) => {
      const payload = forDigest(it, digest);
      return withEnvelope(it, {
        payload: payload.toString('base64'),
        signatures: [{ sig: signed(payload) }],
      });
    },
    /: it was changed since it was signed\n/,
  ],
  'a statement of the right key that is no in-toto statement': [
    (it, digest) => {
      const payload = edited(forDigest(it, digest), (text) =>
        text.replace('in-toto.io/Statement', 'example/x'),
      );
      const sig = signed(preAuthenticated(it.dsseEnvelope.payloadType, payload));
      return withEnvelope(it, { payload: payload.toString('base64'), signatures: [{ sig }] });
    },
    /: what is signed is not said to be an image\n/,
  ],
};
for (const [what, [change, says]] of Object.entries(tamperedBundle)) {
  test.serial(`refused, as a bundle: ${what}`, async (t) => {
    const { name, digest } = await pushImage();
    await new RegistryClient(name).putBundle(digest, jsonOf(change(original.bundle, digest)));
    t.regex(await objection(`${name}:v1`, keys.ecdsa.publicPem), says);
  });
}

test.serial(
  'refused: what is not signed, by the executable; a tag that leads to something else by now; another statement of the key',
  async (t) => {
    const { name, digest } = await pushImage();
    const flags = ['--verify-key', keys.ecdsa.publicPem];
    const unsigned = await install(`${name}:v1`, ...flags);
    t.is(unsigned.status, 2);
    t.regex(
      unsigned.stderr,
      /:v1: has no signature, which --verify-key asks for\nhint: have it signed .*@sha256:[0-9a-f]{64}\n?$/,
    );
    await cosign.attest(`${name}@${digest}`, keys.ecdsa);
    t.regex(
      await objection(`${name}:v1`, keys.ecdsa.publicPem),
      /: what is signed is a statement, https:\/\/cosign\.sigstore\.dev/,
    );
    await cosign.sign('current', `${name}@${digest}`, keys.ecdsa);
    t.is(await objection(`${name}:v1`, keys.ecdsa.publicPem), '');
    const other = await pushImage();
    await new RegistryClient(name).putImage(other.image, 'v1');
    t.regex(await objection(`${name}:v1`, keys.ecdsa.publicPem), /: has no signature, /);
  },
);

test.serial('refused: what nobody can sign, a plain tar and what docker save writes', async (t) => {
  const tar = join(scratch, 'rootfs.tar');
  writeFileSync(tar, await tarOf({ file: 'x' }));
  t.regex(
    await objection(tar, keys.rsa.publicPem),
    /: is no image with a manifest, and cannot have a signature/,
  );
  const image = imageOf({ tars: [await tarOf({ file: 'y' })], compression: 'none' });
  const saved = {
    'manifest.json': jsonOf([{ Config: 'c.json', Layers: ['l.tar'] }]),
    'c.json': image.config,
    'l.tar': image.layers[0] ?? Buffer.of(),
  };
  writeFileSync(tar, await tarOf(saved));
  t.regex(
    await objection(tar, keys.rsa.publicPem),
    /: is no image with a manifest, and cannot have a signature/,
  );
});

test.serial('keys that are none', async (t) => {
  const { name } = await pushImage();
  const file = (text: string): string => {
    const path = join(mkdtempSync(join(scratch, 'key-')), 'key');
    writeFileSync(path, text);
    return path;
  };
  const pem = async (...args: readonly string[]) => {
    const path = file('');
    await execa('bash', ['-c', `openssl genpkey ${args.join(' ')} | openssl pkey -pubout -out ${path}`]);
    return path;
  };
  const text = readFileSync(keys.rsa.publicPem, 'utf8');
  const bad: readonly (readonly [string, RegExp])[] = [
    [join(scratch, 'nosuch'), /: there is no such key\n/],
    [scratch, /EISDIR/],
    [keys.rsa.privatePem, /: is a private key, .*\nhint: .*openssl pkey -pubout -in /],
    [keys.rsa.cosign, /: is a private key, .*\nhint: .*cosign public-key --key /],
    [file('secret'), /: is no public key in PEM/],
    [file(text.replace(/[A-Z]{4}/, 'AAAA').slice(0, 120)), /: is (a damaged|no) public key/],
    [file(text + text), /: holds more than one key\n/],
    [await pem('-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-384'), /: is a key of the type P-384, /],
    [await pem('-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:1024'), /: is an RSA key of 1024 bits, /],
  ];
  for (const [path, says] of bad) {
    const { status, stderr } = await install(`${name}:v1`, '--verify-key', path);
    t.true(status === 1 || status === 2, stderr);
    t.regex(stderr, says, path);
    t.false(/secret|PRIVATE KEY-----/.test(stderr), stderr);
  }
});

test.serial(
  'a key that cosign has made, with a password, is one that npm run image signs with',
  async (t) => {
    for (const [version, program] of Object.entries(await ensureCosign())) {
      const prefix = join(scratch, `generated-${version}`);
      const env = { COSIGN_PASSWORD: 'a word', HOME: scratch };
      await execa(program, ['generate-key-pair', '--output-key-prefix', prefix], { env, stdin: 'ignore' });
      process.env.COSIGN_PASSWORD = 'a word';
      const key = createPublicKey(await readSigningKey(`${prefix}.key`));
      t.true(key.equals(createPublicKey(readFileSync(`${prefix}.pub`))), version);
      process.env.COSIGN_PASSWORD = 'another';
      await t.throwsAsync(readSigningKey(`${prefix}.key`), { message: /does not open it$/ }, version);
    }
  },
);
