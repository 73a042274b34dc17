import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import test from 'ava';
import { readSigningKey } from '../../../../scripts/image/signature.ts';
import { readPublicKey } from '../../../../src/image/signatures/public-key.ts';

const directory = mkdtempSync(`${tmpdir()}/signing-key-`);
test.after.always(() => rmSync(directory, { recursive: true }));

const pairs: Readonly<Record<string, { readonly publicKey: KeyObject; readonly privateKey: KeyObject }>> = {
  'P-256': generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  'P-384': generateKeyPairSync('ec', { namedCurve: 'P-384' }),
  Ed25519: generateKeyPairSync('ed25519'),
  'RSA of 2048 bits': generateKeyPairSync('rsa', { modulusLength: 2048 }),
  'RSA of 1024 bits': generateKeyPairSync('rsa', { modulusLength: 1024 }),
};

for (const [name, { publicKey, privateKey }] of Object.entries(pairs))
  test(`${name}: an image is signed with what a node takes, and nothing else`, (t) => {
    const [secret, open] = [`${directory}/${name}.pem`, `${directory}/${name}.pub`];
    writeFileSync(secret, privateKey.export({ type: 'pkcs8', format: 'pem' }));
    writeFileSync(open, publicKey.export({ type: 'spki', format: 'pem' }));
    const isTaken = !/384|1024/.test(name);
    const expected = { name: 'MounterError' };
    if (isTaken) t.notThrows(() => [readSigningKey(secret), readPublicKey(open)]);
    else
      for (const read of [() => readSigningKey(secret), () => readPublicKey(open)]) t.throws(read, expected);
  });

test('a key that is not there is said to be missing', (t) => {
  t.throws(() => readSigningKey(`${directory}/none`), { message: /there is no such key/ });
});
