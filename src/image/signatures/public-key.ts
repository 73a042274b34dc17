import { createHash, createPublicKey, type JsonWebKey, type KeyObject, verify } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { MounterError } from '../../errors.ts';
import { exitCode } from '../../exit-codes.ts';
import { about } from '../../host/system-error.ts';

/** A key that signatures of images are verified with. */
export interface PublicKey {
  readonly path: string;
  /** What a sigstore bundle calls it: base64 of the SHA-256 of its SubjectPublicKeyInfo. */
  readonly id: string;
  isSignatureOf(bytes: Buffer, signature: Buffer): Promise<boolean>;
}

/** The least that cosign takes. */
const leastRsaBits = 2048;

/**
 * Reads a public key: ECDSA on P-256, Ed25519 or RSA, as PEM. Each time anew: it may have been exchanged.
 * @throws MounterError (usage) that names the file, and quotes nothing of it; node's error where it cannot be read.
 */
export function readPublicKey(path: string): PublicKey {
  if (!existsSync(path)) throw badKey(path, 'there is no such key', `put it there; ${publicKeyHint}`);
  const text = about(path, () => readFileSync(path, 'utf8'));
  const blocks = [...text.matchAll(/^-----BEGIN ([A-Z0-9 ]+)-----/gm)].map(([, name = '']) => name);
  const [block = 'nothing', second] = blocks;
  const secret = blocks.find((name) => name.endsWith('PRIVATE KEY'));
  if (secret !== undefined) throw privateKey(path, secret);
  if (second !== undefined) throw badKey(path, 'holds more than one key', 'put each into a file of its own');
  if (!block.endsWith('PUBLIC KEY'))
    throw badKey(path, 'is no public key in PEM (-----BEGIN PUBLIC KEY-----)', publicKeyHint);
  const key = parsed(text, path);
  const id = createHash('sha256')
    .update(key.export({ type: 'spki', format: 'der' }))
    .digest('base64');
  return { path, id, isSignatureOf: (bytes, signature) => verifies(key, bytes, signature) };
}

function parsed(text: string, path: string): KeyObject {
  try {
    const key = createPublicKey(text);
    const other = otherKind(key);
    if (other === undefined) return key;
    throw badKey(path, `is ${other}, which is not used here`, `sign with a key of ${usedKinds}`);
  } catch (error) {
    if (error instanceof MounterError) throw error;
    throw badKey(path, 'is a damaged public key', publicKeyHint);
  }
}

/** What a node takes signatures of. */
export const usedKinds = `ECDSA on P-256, Ed25519 or RSA from ${leastRsaBits} bits on`;

/** @returns what a public key is that a node takes no signatures of, such as `an RSA key of 1024 bits`. */
export function otherKind(key: KeyObject): string | undefined {
  const { kty, crv = key.asymmetricKeyType, n = '' } = jwkOf(key);
  if (kty !== 'RSA') return crv === 'P-256' || crv === 'Ed25519' ? undefined : `a key of the type ${crv}`;
  const bits = Buffer.from(String(n), 'base64url').length * 8;
  return bits >= leastRsaBits ? undefined : `an RSA key of ${bits} bits`;
}

/** Of a kind that has none: nothing. */
function jwkOf(key: KeyObject): JsonWebKey {
  try {
    return key.export({ format: 'jwk' });
  } catch {
    return {};
  }
}

/** False, too, for what the engine does not take for a signature at all. */
async function verifies(key: KeyObject, bytes: Buffer, signature: Buffer): Promise<boolean> {
  try {
    return await verifiesWith(key, bytes, signature);
  } catch {
    return false;
  }
}

async function verifiesWith(key: KeyObject, bytes: Buffer, signature: Buffer): Promise<boolean> {
  if (key.asymmetricKeyType !== 'ed25519') return verify('sha256', bytes, key, signature);
  if (signature.length !== 64) return false;
  if (verify(null, bytes, key, signature)) return true;
  // What cosign makes with such a key is Ed25519ph (RFC 8032), which the engines' own libraries do not verify.
  const { ed25519ph } = await import('@noble/curves/ed25519.js');
  const { x = '' } = key.export({ format: 'jwk' });
  return ed25519ph.verify(signature, bytes, Buffer.from(String(x), 'base64url'));
}

const publicKeyHint = 'cosign public-key --key KEY writes one';

function privateKey(path: string, block: string): MounterError {
  const isCosigns = /SIGSTORE|COSIGN/.test(block);
  const program = isCosigns ? `cosign public-key --key ${path}` : `openssl pkey -pubout -in ${path}`;
  const hint = `give the public key, which ${program} writes, and take this one away`;
  return badKey(path, 'is a private key, which has no business on a node', hint);
}

function badKey(subject: string, message: string, hint: string): MounterError {
  return new MounterError(message, { subject, status: exitCode.usage, hint });
}
