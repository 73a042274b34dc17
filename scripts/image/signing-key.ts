import { createPrivateKey, createPublicKey, type KeyObject, scryptSync } from 'node:crypto';
import { closeSync, existsSync, fstatSync, openSync, readSync } from 'node:fs';
import { MounterError } from '../../src/errors.ts';
import { exitCode } from '../../src/exit-codes.ts';
import { about } from '../../src/host/system-error.ts';
import { otherKind, usedKinds } from '../../src/image/signatures/public-key.ts';

/** Where cosign looks for it, too. */
const passwordVariable = 'COSIGN_PASSWORD';

/** In front of all that a key in PEM has. */
const beginning = /^-----BEGIN ([A-Z0-9 ]+)-----$/m;

/**
 * Reads a private key: PEM, also an encrypted one, or the file that `cosign generate-key-pair` writes. The password is
 * the one in COSIGN_PASSWORD, which is taken away: no program that is started later has any business with it.
 * @param path `-`: standard input.
 * @throws MounterError (usage) that names the file, and quotes nothing of it; also for a key whose signatures no node
 *   takes, and for a bare one that everybody can read. node's error where it cannot be read.
 */
export async function readSigningKey(path: string): Promise<KeyObject> {
  const { text, isOpen } = readKeyFile(path);
  const [, kind = ''] = beginning.exec(text) ?? [];
  if (!kind.endsWith('PRIVATE KEY')) {
    const what = kind.endsWith('PUBLIC KEY') ? 'is the public key' : 'is no private key in PEM';
    throw badKey(path, what, `give the private one; ${howToMake}`);
  }
  const isCosigns = /SIGSTORE|COSIGN/.test(kind);
  const isEncrypted = kind.includes('ENCRYPTED') || /^Proc-Type: 4,ENCRYPTED$/m.test(text);
  if (isOpen && !isEncrypted)
    throw badKey(path, 'can be read by everybody on this machine', `chmod 600 ${path}`);
  const password = process.env[passwordVariable];
  delete process.env[passwordVariable];
  if (isEncrypted && password === undefined)
    throw badKey(path, `is encrypted, and ${passwordVariable} is not set`, `set it to the key's password`);
  const key = await decrypted(text, password ?? '', isCosigns).catch(() => {
    // Whatever the engine says of it: there may be a secret in it.
    throw isEncrypted
      ? badKey(path, `the password in ${passwordVariable} does not open it`, "set it to the key's password")
      : badKey(path, 'is a damaged private key', howToMake);
  });
  if (otherKind(createPublicKey(key)) === undefined) return key;
  throw badKey(path, `is none of ${usedKinds}`, `no node takes its signatures; ${howToMake}`);
}

function readKeyFile(path: string): { readonly text: string; readonly isOpen: boolean } {
  if (path !== '-' && !existsSync(path)) throw badKey(path, 'there is no such key', howToMake);
  return about(path, () => {
    const file = path === '-' ? 0 : openSync(path, 'r');
    try {
      const status = fstatSync(file);
      return { text: readStart(file), isOpen: status.isFile() && (status.mode & 0o004) !== 0 };
    } finally {
      if (file !== 0) closeSync(file);
    }
  });
}

/** No key is longer; a device has no end. */
function readStart(file: number): string {
  const bytes = Buffer.alloc(65_536);
  for (let length = 0; ; ) {
    const more = readSync(file, bytes, length, bytes.length - length, null);
    length += more;
    if (more === 0) return bytes.toString('utf8', 0, length);
  }
}

async function decrypted(text: string, password: string, isCosigns: boolean): Promise<KeyObject> {
  if (!isCosigns) return createPrivateKey({ key: text, passphrase: password });
  const [, body = ''] = /-----\s+([A-Za-z0-9+/=\s]+)-----/.exec(text) ?? [];
  const { kdf, cipher, ciphertext } = JSON.parse(Buffer.from(body, 'base64').toString());
  if (kdf.name !== 'scrypt' || cipher.name !== 'nacl/secretbox') throw new Error('another encryption');
  const { N, r, p } = kdf.params;
  // Four times what cosign 3 asks for.
  const secret = scryptSync(password, base64(kdf.salt), 32, { N, r, p, maxmem: 300_000_000 });
  const { xsalsa20poly1305 } = await import('@noble/ciphers/salsa.js');
  const der = xsalsa20poly1305(secret, base64(cipher.nonce)).decrypt(base64(ciphertext));
  return createPrivateKey({ key: Buffer.from(der), format: 'der', type: 'pkcs8' });
}

function base64(text: string): Buffer {
  return Buffer.from(text, 'base64');
}

const howToMake =
  'openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out FILE makes one, and openssl pkey -pubout -in FILE its public key';

function badKey(path: string, message: string, hint: string): MounterError {
  const subject = path === '-' ? 'standard input' : path;
  return new MounterError(message, { subject, status: exitCode.usage, hint });
}
