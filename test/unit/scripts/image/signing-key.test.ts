import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import test from 'ava';
import { execa } from 'execa';
import { readSigningKey } from '../../../../scripts/image/signing-key.ts';
import { repository } from '../../../../scripts/paths.ts';
import { readPublicKey } from '../../../../src/image/signatures/public-key.ts';

/** Those that cosign writes are in test/system/signatures.test.ts. */

const directory = mkdtempSync(`${tmpdir()}/signing-key-`);
test.after.always(() => rmSync(directory, { recursive: true }));

const pairs: Readonly<Record<string, { readonly publicKey: KeyObject; readonly privateKey: KeyObject }>> = {
  'P-256': generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  'P-384': generateKeyPairSync('ec', { namedCurve: 'P-384' }),
  Ed25519: generateKeyPairSync('ed25519'),
  'RSA of 2048 bits': generateKeyPairSync('rsa', { modulusLength: 2048 }),
  'RSA of 1024 bits': generateKeyPairSync('rsa', { modulusLength: 1024 }),
};

function written(name: string, content: string | Buffer, mode = 0o600): string {
  const path = `${directory}/${name}`;
  writeFileSync(path, content, { mode });
  return path;
}

const password = 'a word';
const pem = (key: KeyObject) => key.export({ type: 'pkcs8', format: 'pem' });
const encrypted = (key: KeyObject, type: 'pkcs8' | 'sec1') =>
  key.export({ type, format: 'pem', cipher: 'aes-256-cbc', passphrase: password });

for (const [name, { publicKey, privateKey }] of Object.entries(pairs))
  test.serial(`${name}: an image is signed with what a node takes, and nothing else`, async (t) => {
    const secret = written(`${name}.pem`, pem(privateKey));
    const open = written(`${name}.pub`, publicKey.export({ type: 'spki', format: 'pem' }));
    const isTaken = !/384|1024/.test(name);
    if (isTaken) {
      await t.notThrowsAsync(readSigningKey(secret));
      t.notThrows(() => readPublicKey(open));
    } else {
      await t.throwsAsync(readSigningKey(secret), { message: /is none of ECDSA on P-256/ });
      t.throws(() => readPublicKey(open), { name: 'MounterError' });
    }
  });

const { privateKey, publicKey } = pairs['P-256'] ?? generateKeyPairSync('ed25519');

for (const type of ['pkcs8', 'sec1'] as const)
  test.serial(
    `an encrypted key (${type}) is opened by its password, which nobody is handed on`,
    async (t) => {
      const file = written(`${type}.pem`, encrypted(privateKey, type), 0o644);
      process.env.COSIGN_PASSWORD = password;
      t.true((await readSigningKey(file)).equals(privateKey));
      t.false('COSIGN_PASSWORD' in process.env);
      await t.throwsAsync(readSigningKey(file), { message: 'is encrypted, and COSIGN_PASSWORD is not set' });
      process.env.COSIGN_PASSWORD = 'another';
      const message = 'the password in COSIGN_PASSWORD does not open it';
      await t.throwsAsync(readSigningKey(file), { message });
    },
  );

const whole = String(pem(privateKey));
const refused: Readonly<Record<string, readonly [said: RegExp, file: () => string]>> = {
  'that is not there': [/^there is no such key$/, () => `${directory}/none`],
  'that everybody can read': [/^can be read by everybody/, () => written('open', whole, 0o644)],
  'that is the public one': [
    /^is the public key$/,
    () => written('public', publicKey.export({ type: 'spki', format: 'pem' })),
  ],
  'that is cut off': [/^is a damaged private key$/, () => written('cut', whole.slice(0, 90))],
  'of cosign that is damaged': [
    /^the password in COSIGN_PASSWORD does not open it$/,
    () => {
      process.env.COSIGN_PASSWORD = password;
      const block = 'ENCRYPTED SIGSTORE PRIVATE KEY';
      return written('cosign', `-----BEGIN ${block}-----\ne30=\n-----END ${block}-----\n`);
    },
  ],
  'that is something else': [/^is no private key in PEM$/, () => written('else', Buffer.alloc(4096, 0xff))],
  'that has no end': [/^is no private key in PEM$/, () => '/dev/zero'],
  'that is empty': [/^is no private key in PEM$/, () => written('empty', '')],
  'that is a directory': [
    /^EISDIR/,
    () => {
      mkdirSync(`${directory}/directory`);
      return `${directory}/directory`;
    },
  ],
};

for (const [what, [said, file]] of Object.entries(refused))
  test.serial(`a key ${what}: the sentence says so, and nothing of the key`, async (t) => {
    const error = await t.throwsAsync(readSigningKey(file()));
    t.regex(error?.message ?? '', said);
    t.false(JSON.stringify(error).includes(whole.slice(40, 80)));
  });

test('a key comes by standard input', async (t) => {
  const script = `import { readSigningKey } from '${repository}/scripts/image/signing-key.ts';
    console.log((await readSigningKey('-')).asymmetricKeyType);`;
  const read = (input: string) =>
    execa(process.execPath, ['--input-type=module', '--eval', script], { input, reject: false });
  t.is((await read(whole)).stdout, 'ec');
  t.regex((await read('')).stderr, /is no private key in PEM/);
});
